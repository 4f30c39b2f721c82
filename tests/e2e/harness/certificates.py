"""A throw-away certificate authority by the openssl command."""

import subprocess
from pathlib import Path

from .polling import HarnessError


class Certificates:
    """A CA in a folder, with a server's and a client's certificate; issue() makes more, wrong ones included.

    ca, server, server_key, client, client_key are paths of PEM files. Keys are unencrypted PKCS#8.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, self._ca_key = self.folder / "ca.crt", self.folder / "ca.key"
        self._openssl(
            *("req", "-x509", *self._new_key(self._ca_key), "-out", self.ca, "-days", "2", "-subj", "/CN=delightd test CA"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        self.server, self.server_key = self.issue("server", "IP:127.0.0.1,DNS:localhost")
        self.client, self.client_key = self.issue("client", "DNS:client")

    def issue(self, name, subject_alternative_names, days=2):
        """Makes NAME.crt and NAME.key; returns their paths. days: -1 makes a certificate that has already expired."""
        key, request, certificate = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject_alternative_names}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", *self._new_key(key), "-out", request, "-subj", f"/CN={name}")
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial"),
            *("-out", certificate, "-days", days, "-extfile", extensions),
        )
        return certificate, key

    def keystore(self, name="server"):
        """One PEM file with key and certificate, as Kafka's ssl.keystore.location wants it."""
        path = self.folder / f"{name}.pem"
        path.write_bytes((self.folder / f"{name}.key").read_bytes() + (self.folder / f"{name}.crt").read_bytes())
        return path

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HarnessError(f"openssl {arguments[0]} failed: {done.stderr}")
