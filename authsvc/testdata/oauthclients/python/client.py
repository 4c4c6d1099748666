"""Does with requests-oauthlib or Authlib what it reads from standard input, a
JSON object on each line, and answers each with a line of what came of it. Its
arguments are the library and the issuer. foreignclient_test.go has both
shapes."""

import json
import os
import sys

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP, on loopback
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import OAuth2Error
from requests import HTTPError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session


class Requests:
    def refresh(self, url, a):
        basic = {"auth": HTTPBasicAuth(a["id"], a["secret"])} if a.get("secret") else {"client_id": a.get("id") or "login"}
        session = OAuth2Session(a.get("id") or "login", token={"refresh_token": a["refresh_token"], "token_type": "Bearer"})
        return session.refresh_token(url, **basic, **scoped(a))

    def credentials(self, url, a):
        session = OAuth2Session(client=BackendApplicationClient(a["id"], **scoped(a)))
        return session.fetch_token(url, client_secret=a["secret"], auth=HTTPBasicAuth(a["id"], a["secret"]))


class Authlib:
    def session(self, a, **more):
        method = "client_secret_basic" if a.get("secret") else "none"
        return AuthlibSession(a.get("id") or "login", a.get("secret"), token_endpoint_auth_method=method, **more)

    def refresh(self, url, a):
        return self.session(a).refresh_token(url, refresh_token=a["refresh_token"], **scoped(a))

    def credentials(self, url, a):
        return self.session(a, **scoped(a)).fetch_token(url, grant_type="client_credentials")


def scoped(a):
    return {"scope": a["scope"]} if a.get("scope") else {}


library = {"requests-oauthlib": Requests, "authlib": Authlib}[sys.argv[1]]()
url = sys.argv[2] + "/v1/token"
for line in sys.stdin:
    a = json.loads(line)
    try:
        token = getattr(library, a["do"])(url, a)
        said = {k: token[k] for k in ("access_token", "refresh_token", "scope") if k in token}
        if isinstance(said.get("scope"), list):
            said["scope"] = " ".join(said["scope"])
    except (OAuth2Error, OAuthError) as e:
        said = {"error": e.error}
    except HTTPError as e:  # Authlib, of a 5xx
        said = {"error": str(e), "status": e.response.status_code}
    print(json.dumps([said]), flush=True)
