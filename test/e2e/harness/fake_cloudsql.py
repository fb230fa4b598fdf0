"""Instances of Cloud SQL and AlloyDB: the proxy in front of a real PostgreSQL (TLS 1.3, client certificates of the instance's own
authority) and what their control planes (fake_gcp.py) say about them. The proxy checks what the real ones check: whose
certificate or token it is, and that the user in the start-up packet is that identity's."""

import contextlib
import datetime
import os
import random
import select
import socket
import ssl
import struct
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from . import fake_gcp

CLOUD_SQL_PORT, ALLOYDB_PORT = 3307, 5433
CANCEL_REQUEST, SSL_REQUEST = struct.pack(">I", 80877102), struct.pack(">I", 80877103)


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def sign(subject, public_key, issuer, issuer_key, life=3600, authority=False, names=()):
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(issuer).public_key(public_key)
             .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
             .not_valid_after(now + datetime.timedelta(seconds=life))
             .add_extension(x509.BasicConstraints(authority, None), True))
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    return built.sign(issuer_key, hashes.SHA256())


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def database_user(address):
    return address.removesuffix(".gserviceaccount.com")



def own_address():
    """The port is fixed: each fake has an address of its own, so that two tests may run at a time."""
    return "127." + ".".join(str(random.randint(1, 250)) for _ in range(3))


class Instance:
    """`tls_name`: in the server's certificate as SAN. `common_name`: its subject."""

    def __init__(self, folder, pg, address, port, common_name, tls_name=None):
        self.pg, self.address, self.life = pg, address, 3600
        self.key, self.authority_key = new_key(), new_key()
        self.authority = sign("authority", self.authority_key.public_key(), name("authority"), self.authority_key, 86400, True)
        self.granted, self.logins, self.handshakes, self.cancels, self.metadata = {}, [], 0, 0, []
        self.present(folder, common_name, tls_name)
        self.listener = socket.create_server((address, port), backlog=128)
        threading.Thread(target=self.accept, daemon=True).start()

    def present(self, folder, common_name, tls_name=None):
        """With this certificate from now on."""
        own = sign(common_name, self.key.public_key(), self.authority.subject, self.authority_key, 86400,
                   names=[tls_name] if tls_name else [])
        paths = [os.path.join(folder, f"{self.address}-{kind}.pem") for kind in ("server", "authority")]
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for path, text in zip(paths, (pem(own) + key.decode(), pem(self.authority))):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(paths[0])
        self.context.load_verify_locations(paths[1])
        self.context.verify_mode = ssl.CERT_REQUIRED

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def grant(self, public_key, token, life=None):
        signed = sign("client", public_key, self.authority.subject, self.authority_key, life or self.life)
        self.granted[signed.serial_number] = token
        return pem(signed)

    # -- the proxy -----------------------------------------------------------------------------------

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, raw):
        with contextlib.suppress(OSError, ssl.SSLError, EOFError), raw:
            client = self.context.wrap_socket(raw, server_side=True)
            self.handshakes += 1
            shown = x509.load_der_x509_certificate(client.getpeercert(binary_form=True))
            token, first = self.exchange(client, self.granted.get(shown.serial_number))
            startup = packet(client, first)
            if startup[4:8] == SSL_REQUEST:     # as the server behind a real proxy says it
                client.sendall(b"N")
                startup = packet(client)
            with client:
                self.relay(client, startup, token)

    def relay(self, client, startup, token):
        user = startup[8:].split(b"\0")[1].decode() if startup[4:8] != CANCEL_REQUEST else None
        if user is None:
            self.cancels += 1
        else:
            self.logins.append(user)
            if not token or token["expires"] < time.time() or user != database_user(token["who"]):
                body = b"SFATAL\0VFATAL\0C28000\0MCloud SQL IAM user authentication failed\0\0"
                client.sendall(b"E" + struct.pack(">I", len(body) + 4) + body)
                return
        server = socket.socket(socket.AF_UNIX)
        server.connect(os.path.join(self.pg.folder, f".s.PGSQL.{self.pg.port}"))
        server.sendall(startup)
        pump(client, server)
        server.close()


def read(source, count):
    out = b""
    while len(out) < count:
        more = source.recv(count - len(out))
        if not more:
            raise EOFError
        out += more
    return out


def packet(source, first=b""):
    first += read(source, max(0, 4 - len(first)))
    return first + read(source, struct.unpack(">I", first[:4])[0] - len(first))


def pump(client, server):
    """Both ways in one thread: an SSL object is not for two."""
    client.settimeout(30)
    with contextlib.suppress(OSError, ValueError, ssl.SSLError):
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for source, sink in ((client, server), (server, client)):
                if source not in ready:
                    continue
                data = source.recv(65536)
                if not data:
                    return
                sink.sendall(data)


class CloudSql(Instance):
    def __init__(self, folder, pg, address, project="test-project", region="europe-west1", instance="db", tls_name=None, **settings):
        super().__init__(folder, pg, address, CLOUD_SQL_PORT, f"{project}:{instance}", tls_name)
        self.region, self.more = region, settings

    def settings(self):
        return {"region": self.region, "databaseVersion": "POSTGRES_15", "backendType": "SECOND_GEN",
                "serverCaCert": {"cert": pem(self.authority)}, "ipAddresses": [{"type": "PRIMARY", "ipAddress": self.address}],
                **self.more}

    def sign(self, public_key, token):
        # Its label says PKCS #1 and its bytes are a SubjectPublicKeyInfo: as Google's connectors send it, or as it should be.
        text = public_key.replace("RSA PUBLIC KEY", "PUBLIC KEY")
        return self.grant(serialization.load_pem_public_key(text.encode()), token)

    def exchange(self, client, token):
        if "mdxProtocolSupport" not in self.more:
            return token, b""
        first = read(client, 8)
        if first != b"CSQLMDEX":
            return token, first
        message = read(client, struct.unpack(">I", read(client, 4))[0])
        self.metadata.append(message)
        if self.more["mdxProtocolSupport"] == ["CLIENT_PROTOCOL_TYPE"]:
            client.sendall(b"CSQLMDEX" + struct.pack(">I", 2) + b"\x08\x01")
        return token, b""


class AlloyDb(Instance):
    def __init__(self, folder, pg, gcp, address, uid="00000000-0000-0000-0000-000000000001", **info):
        super().__init__(folder, pg, address, ALLOYDB_PORT, f"{uid}.server.alloydb")
        self.gcp, self.uid, self.more = gcp, uid, info

    def info(self):
        return {"ipAddress": self.address, "instanceUid": self.uid, **self.more}

    def sign(self, asked):
        assert asked["certDuration"] == "3600s" and asked["useMetadataExchange"] is True
        key = serialization.load_pem_public_key(asked["publicKey"].encode())
        return {"caCert": pem(self.authority), "pemCertificateChain": [self.grant(key, None), pem(self.authority)]}

    def exchange(self, client, _):
        message = read(client, struct.unpack(">I", read(client, 4))[0])
        self.metadata.append(message)
        fields = {}
        while message:
            number, kind = message[0] >> 3, message[0] & 7
            value, at = 0, 1
            for shift in range(0, 35, 7):
                value |= (message[at] & 0x7F) << shift
                at += 1
                if message[at - 1] < 0x80:
                    break
            fields[number], message = (message[at:at + value], message[at + value:]) if kind == 2 else (value, message[at:])
        with self.gcp.lock:
            token = self.gcp.tokens.get(fields[3].decode())
        good = token and fields[2] == 2 and token["scopes"] & {fake_gcp.ALLOYDB_LOGIN, fake_gcp.CLOUD}
        answer = b"\x08\x01" if good else b"\x08\x02\x12\x02no"
        client.sendall(struct.pack(">I", len(answer)) + answer)
        if not good:
            raise EOFError
        return token, b""
