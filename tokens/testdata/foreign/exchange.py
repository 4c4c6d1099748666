"""Reads one exchange (JSON) from standard input, does it with two Python
libraries, writes what they saw and what they signed (JSON) to standard
output. foreign_test.go describes both shapes."""
import base64
import json
import sys

import jwt
from jwcrypto import jwe, jwk, jws

x = json.load(sys.stdin)
out = {"verified": [], "opened": [], "signed": []}


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


for alg, raw in x["tokens"].items():
    kid = jwt.get_unverified_header(raw)["kid"]
    public = next(k for k in x["jwks"]["keys"] if k["kid"] == kid)

    seen = jwt.decode(raw, jwt.PyJWK.from_dict(public, alg).key, algorithms=[alg], issuer=x["issuer"], audience=x["audience"])
    out["verified"].append({"library": "PyJWT", "alg": alg, "sub": seen["sub"]})

    token = jws.JWS()
    token.allowed_algs = [alg]
    token.deserialize(raw, jwk.JWK(**public))
    out["verified"].append({"library": "jwcrypto", "alg": alg, "sub": json.loads(token.payload)["sub"]})

for name, sealed in x["sealed"].items():
    opened = jwe.JWE()
    opened.deserialize(sealed["raw"], jwk.JWK(**{k: v for k, v in sealed["jwk"].items() if k != "alg"}))
    out["opened"].append({"library": "jwcrypto", "name": name, "plaintext": b64url(opened.payload)})

for alg, private in x["private"].items():
    header = {"alg": alg, "kid": private["kid"], "typ": "at+jwt"}
    key = jwk.JWK(**private)
    pem = key.export_to_pem(private_key=True, password=None)

    def say(library, raw, refused_for=""):
        out["signed"].append({"library": library, "alg": alg, "raw": raw, "refusedFor": refused_for})

    def jwcrypto_sign(head, payload):
        token = jws.JWS(payload)
        token.add_signature(key, None, json.dumps(head), None)
        return token

    for _ in range(32):
        say("PyJWT", jwt.encode(x["claims"], pem, algorithm=alg, headers=header))
        say("jwcrypto", jwcrypto_sign(header, json.dumps(x["claims"])).serialize(compact=True))
    say("PyJWT", jwt.encode(x["claims"], pem, algorithm=alg, headers={"kid": private["kid"]}), "PyJWT's own typ")
    say("jwcrypto", jwcrypto_sign(header, json.dumps(x["claims"])).serialize(compact=False), "JSON serialization")
    twice = json.dumps(x["claims"])[:-1] + ', "sub": "mallory"}'
    say("jwcrypto", jwcrypto_sign(header, twice).serialize(compact=True), "sub twice")
    text = dict(x["claims"], exp=str(x["claims"]["exp"]))
    say("jwcrypto", jwcrypto_sign(header, json.dumps(text)).serialize(compact=True), "exp as a string")

json.dump(out, sys.stdout)
