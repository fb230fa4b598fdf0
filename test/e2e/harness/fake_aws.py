"""What AWS answers to somebody who looks for keys: IMDSv2, the container endpoint, STS and SSO, in one process.

STS checks what moto does not: signatures (with botocore's own signer), their time, and web identity's token. Keys say where they
come from: a role's key id is made of the role and of the key that took it, so that two clients agree exactly when they went the
same way. test_aws_identity.py shows that botocore is satisfied before Sallyport is asked."""

import datetime
import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

ACCOUNT = "123456789012"


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class FakeAws:
    """`keys`: id -> secret of all keys that are known. Switches: see __init__."""

    def __init__(self, certificate=None, key=None):
        self.keys = {"AKIDENV": "secret-env", "AKIDFILE": "secret-file", "AKIDCONFIG": "secret-config", "AKIDBASE": "secret-base",
                     "AKIDPROCESS": "secret-process"}
        self.tokens = {}              # key id -> session token
        self.roles_denied = set()
        self.imds = "v2"              # v2, v1 (tokens: 404), none (tokens: 403, no role), slow, error, garbage, refuses
        self.web_token = "web-identity-token"
        self.sso_token = "sso-access-token"
        self.container_token = None
        self.life = 3600
        self.skew = 0                 # this service's clock minus the true one
        self.failures = []            # statuses to answer first, whatever is asked over TLS
        self.asked = []
        self._servers = []
        self.http = self._serve(None)
        self.https = self._serve((certificate, key)) if certificate else None

    def _serve(self, tls):
        fake = self

        class Handler(_Handler):
            aws = fake
            secure = tls is not None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers.append(server)
        return f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def new_keys(self, *way):
        """Keys that say their way: the same id for the same way."""
        key = "ASIA" + hashlib.sha256("/".join(way).encode()).hexdigest()[:16].upper()
        self.keys[key] = "secret-of-" + key
        self.tokens[key] = "session-token-of-" + key
        return key, self.keys[key], self.tokens[key]

    def environment(self, *parts):
        """Variables that lead both clients here. AWS' own addresses are never asked."""
        env = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": self.https, "AWS_ENDPOINT_URL_SSO": self.https}
        if "imds" in parts:
            env.pop("AWS_EC2_METADATA_DISABLED")
            env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = self.http
        if "container" in parts:
            env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = self.http + "/container"
        return env


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    aws = None
    secure = False

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.aws.skew)

    def answer(self, status, body, kind="application/json", headers=()):
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self):
        self.handle_any(b"")

    def do_GET(self):
        self.handle_any(b"")

    def do_POST(self):
        self.handle_any(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def handle_any(self, body):
        self.aws.asked.append((self.command, self.path))
        if not self.secure:
            if self.path.startswith("/latest/"):
                return self.metadata()
            if self.path.startswith("/container"):
                return self.container()
            return self.answer(404, "{}")
        if self.aws.failures:
            return self.answer(self.aws.failures.pop(0), "<html>busy</html>", "text/html")
        if self.path.startswith("/federation/credentials"):
            return self.sso()
        if self.command == "POST" and self.path == "/":
            return self.sts(body)
        return self.answer(404, "{}")

    # ---- metadata ------------------------------------------------------------------------------

    def key_document(self, key, secret, token):
        return json.dumps({"Code": "Success", "LastUpdated": iso(time.time()), "Type": "AWS-HMAC", "AccessKeyId": key,
                           "SecretAccessKey": secret, "Token": token, "Expiration": iso(time.time() + self.aws.life)})

    def metadata(self):
        mode = self.aws.imds
        if mode == "slow":
            time.sleep(3)
            return self.answer(200, "late", "text/plain")
        if mode == "error":
            return self.answer(500, "busy", "text/plain")
        if self.command == "PUT" and self.path == "/latest/api/token":
            if mode in ("v1", "none"):
                return self.answer(404 if mode == "v1" else 403, "", "text/plain")
            if self.headers.get("x-aws-ec2-metadata-token-ttl-seconds") != "21600" or self.headers.get("X-Forwarded-For"):
                return self.answer(400, "", "text/plain")
            return self.answer(200, "imds-session-token", "text/plain")
        if mode != "v1" and self.headers.get("x-aws-ec2-metadata-token") != "imds-session-token":
            return self.answer(401, "", "text/plain")
        where = "/latest/meta-data/iam/security-credentials/"
        if mode == "none" or not self.path.startswith(where):
            return self.answer(404, "", "text/plain")
        role = self.path[len(where):]
        if not role:
            return self.answer(200, "instance-role", "text/plain")
        if role != "instance-role":
            return self.answer(404, "", "text/plain")
        if mode == "garbage":
            return self.answer(200, "<html>no keys</html>", "text/html")
        if mode == "refuses":
            return self.answer(200, json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role",
                                                "LastUpdated": iso(time.time())}))
        return self.answer(200, self.key_document(*self.aws.new_keys("imds", role)))

    def container(self):
        if self.aws.container_token and self.headers.get("Authorization") != self.aws.container_token:
            return self.answer(403, json.dumps({"code": "AccessDenied", "message": "token"}))
        if self.path != "/container":
            return self.answer(404, "{}")
        return self.answer(200, self.key_document(*self.aws.new_keys("container")))

    # ---- SSO ------------------------------------------------------------------------------------

    def sso(self):
        if self.headers.get("x-amz-sso_bearer_token") != self.aws.sso_token or self.headers.get("Authorization"):
            return self.answer(401, json.dumps({"message": "Session token not found or invalid", "__type": "UnauthorizedException"}),
                               headers=[("x-amzn-ErrorType", "UnauthorizedException")])
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if query.get("role_name") == "denied":
            return self.answer(403, json.dumps({"message": "No access", "__type": "ForbiddenException"}),
                               headers=[("x-amzn-ErrorType", "ForbiddenException")])
        key, secret, token = self.aws.new_keys("sso", query["account_id"], query["role_name"])
        return self.answer(200, json.dumps({"roleCredentials": {
            "accessKeyId": key, "secretAccessKey": secret, "sessionToken": token,
            "expiration": int((time.time() + self.aws.life) * 1000)}}))

    # ---- STS ------------------------------------------------------------------------------------

    def sts_error(self, status, code):
        self.answer(status, f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                            f'<Code>{code}</Code><Message>a &lt;message&gt;</Message></Error><RequestId>1</RequestId>'
                            f'</ErrorResponse>', "text/xml")

    def sts(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get("Version") != "2011-06-15":
            return self.sts_error(400, "InvalidAction")
        action = form.get("Action")
        if action == "AssumeRoleWithWebIdentity":
            if self.headers.get("Authorization"):
                return self.sts_error(400, "ValidationError")
            if form.get("WebIdentityToken") != self.aws.web_token:
                return self.sts_error(400, "InvalidIdentityToken")
            return self.role_reply(action, form, "web-identity")
        refusal, key = self.check_signature(body)
        if refusal:
            return self.sts_error(403, refusal)
        if action == "GetCallerIdentity":
            return self.reply(action, f"<Arn>arn:aws:iam::{ACCOUNT}:user/{key}</Arn><UserId>{key}</UserId>"
                                      f"<Account>{ACCOUNT}</Account>")
        if action == "AssumeRole":
            return self.role_reply(action, form, key)
        return self.sts_error(400, "InvalidAction")

    def reply(self, action, inside):
        self.answer(200, f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <{action}Result>{inside}'
                         f'</{action}Result>\n  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\n'
                         f'</{action}Response>', "text/xml")

    def role_reply(self, action, form, source):
        arn = form["RoleArn"]
        if arn in self.aws.roles_denied:
            return self.sts_error(403, "AccessDenied")
        if not 2 <= len(form.get("RoleSessionName", "")) <= 64:
            return self.sts_error(400, "ValidationError")
        key, secret, token = self.aws.new_keys(arn, source, form.get("ExternalId", ""), form.get("DurationSeconds", ""))
        self.reply(action, f"<AssumedRoleUser><Arn>{arn}/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>"
                           f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                           f"<SessionToken>{token}</SessionToken><Expiration>{iso(time.time() + self.aws.life)}</Expiration>"
                           f"</Credentials>")

    def check_signature(self, body):
        """(code, None) of a refusal, or (None, key id)."""
        header = self.headers.get("Authorization", "")
        if not header.startswith("AWS4-HMAC-SHA256 "):
            return "MissingAuthenticationToken", None
        parts = dict(part.strip().split("=", 1) for part in header[len("AWS4-HMAC-SHA256 "):].split(","))
        key, _, region, service, _ = parts["Credential"].split("/")
        if key not in self.aws.keys or service != "sts":
            return "InvalidClientTokenId", None
        if self.headers.get("X-Amz-Security-Token") != self.aws.tokens.get(key):
            return "InvalidClientTokenId", None
        stamp = self.headers["X-Amz-Date"]
        signed_at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(signed_at - (time.time() + self.aws.skew)) > 300:
            return "SignatureDoesNotMatch", None
        request = botocore.awsrequest.AWSRequest("POST", f"https://{self.headers['Host']}{self.path}", data=body)
        for name in parts["SignedHeaders"].split(";"):
            request.headers[name] = self.headers[name]
        if "host" not in parts["SignedHeaders"].split(";"):
            return "SignatureDoesNotMatch", None
        request.context["timestamp"] = stamp
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, self.aws.keys[key]), "sts", region)
        wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return (None, key) if wanted == parts["Signature"] else ("SignatureDoesNotMatch", None)
