"""A throwaway certificate authority by plain openssl, with every kind of server certificate that the TLS
matrix needs. Dates are set through `openssl ca`, because `openssl x509` of OpenSSL 3.0 cannot set them."""

import os
import subprocess
from dataclasses import dataclass

LEAVES = {
    # name: (subject CN, subjectAltName or None)
    "good": ("localhost", "DNS:localhost,IP:127.0.0.1,IP:::1"),
    "ip-only": ("ip", "IP:127.0.0.1"),
    "other-host": ("a.example.test", "DNS:a.example.test"),
    "wildcard": ("wildcard", "DNS:*.example.test"),
    "no-san": ("localhost", None),
    "no-san-other": ("a.example.test", None),
    "cn-beside-san": ("localhost", "DNS:a.example.test"),
    "expired": ("localhost", "DNS:localhost,IP:127.0.0.1"),
    "not-yet": ("localhost", "DNS:localhost,IP:127.0.0.1"),
    "revoked": ("localhost", "DNS:localhost,IP:127.0.0.1"),
}

CONFIG = """
[ca]
default_ca = own
[own]
dir = {dir}
database = {dir}/index.txt
new_certs_dir = {dir}
certificate = {dir}/{name}.crt
private_key = {dir}/{name}.key
default_md = sha256
default_days = 30
default_crl_days = 30
rand_serial = yes
unique_subject = no
copy_extensions = copy
policy = any
[any]
commonName = supplied
"""


@dataclass
class Leaf:
    certificate: str    # PEM file: the leaf, and what chains it to the root
    key: str


class Pki:
    """Files below `folder`: ca.crt, other-ca.crt, crl.pem and one pair a leaf (`leaf(name)`)."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self._authority("ca", "/CN=Sallyport test CA")
        self._authority("other-ca", "/CN=Another CA")
        for name, (cn, san) in LEAVES.items():
            dates = {"expired": ("20200101000000Z", "20210101000000Z"),
                     "not-yet": ("20990101000000Z", "20991231000000Z")}.get(name)
            self._leaf(name, cn, san, dates=dates)
        self._leaf("wrong-ca", "localhost", "DNS:localhost,IP:127.0.0.1", issuer="other-ca")
        self._leaf("client", "cert_user", None)
        self._leaf("wrong-client", "cert_user", None, issuer="other-ca")
        self._intermediate()
        self._openssl("ca", "-config", self.path("ca.cnf"), "-revoke", self.path("revoked.crt"))
        self._openssl("ca", "-config", self.path("ca.cnf"), "-gencrl", "-out", self.path("crl.pem"))

    @property
    def ca(self):
        return self.path("ca.crt")

    @property
    def other_ca(self):
        return self.path("other-ca.crt")

    @property
    def crl(self):
        return self.path("crl.pem")

    def path(self, name):
        return os.path.join(self.folder, name)

    def leaf(self, name):
        return Leaf(self.path(f"{name}.crt"), self.path(f"{name}.key"))

    def client(self, name, cn="app", san=None, issuer="ca", dates=None):
        """A client certificate, made when it is first asked for."""
        if not os.path.exists(self.path(f"{name}.crt")):
            self._leaf(name, cn, san, dates=dates, issuer=issuer,
                       extensions=["extendedKeyUsage=clientAuth", "keyUsage=critical,digitalSignature"])
        return self.leaf(name)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")

    def _key(self, name):
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                      self.path(f"{name}.key"))
        os.chmod(self.path(f"{name}.key"), 0o600)

    def _authority(self, name, subject):
        self._key(name)
        self._openssl("req", "-x509", "-new", "-key", self.path(f"{name}.key"), "-days", "30", "-subj", subject,
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                      "-out", self.path(f"{name}.crt"))
        self._config(name)

    def _config(self, name):
        folder = self.path(f"{name}.d")
        os.makedirs(folder, exist_ok=True)
        open(os.path.join(folder, "index.txt"), "a").close()
        text = CONFIG.format(dir=folder, name=name).replace(f"{folder}/{name}.", self.path(f"{name}."))
        with open(self.path(f"{name}.cnf"), "w", encoding="ascii") as file:
            file.write(text)

    def _leaf(self, name, cn, san, dates=None, issuer="ca", extensions=()):
        self._key(name)
        added = [word for e in ([f"subjectAltName={san}"] if san else []) + list(extensions) for word in ("-addext", e)]
        self._openssl("req", "-new", "-key", self.path(f"{name}.key"), "-subj", f"/CN={cn}", *added, "-out",
                      self.path(f"{name}.csr"))
        when = ["-startdate", dates[0], "-enddate", dates[1]] if dates else []
        self._openssl("ca", "-batch", "-notext", "-config", self.path(f"{issuer}.cnf"), "-in", self.path(f"{name}.csr"),
                      "-out", self.path(f"{name}.crt"), *when)

    def _intermediate(self):
        self._leaf("intermediate", "Sallyport test intermediate", None,
                   extensions=["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"])
        self._config("intermediate")
        self._leaf("chained", "localhost", "DNS:localhost,IP:127.0.0.1", issuer="intermediate")
        with open(self.path("chained.crt"), encoding="ascii") as leaf:
            alone = leaf.read()
        with open(self.path("intermediate.crt"), encoding="ascii") as middle:
            both = alone + middle.read()
        for name, text in (("chained", both), ("chain-cut", alone)):
            with open(self.path(f"{name}.crt"), "w", encoding="ascii") as file:
                file.write(text)
        os.link(self.path("chained.key"), self.path("chain-cut.key"))
