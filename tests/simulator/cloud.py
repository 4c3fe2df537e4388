"""How tests drive the simulator: a real process, real TLS, unmodified azure-identity, a fresh tenant each time."""

import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential

BAP = "/providers/Microsoft.BusinessAppPlatform"
BAP_SCOPE = "https://service.powerapps.com/.default"
PP_SCOPE = "https://api.powerplatform.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
VAULT_SCOPE = "https://vault.azure.net/.default"
BLOB_SCOPE = "https://storage.azure.com/.default"
ARM_SCOPE = "https://management.azure.com/.default"
ROOT = Path(__file__).resolve().parents[2]


def start_process(*arguments, ready, environment=None):
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--ready-file", str(ready), *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"SIMULATOR_DIE_WITH_PARENT": "1"} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, wait_until_ready(ready, process)


def wait_until_ready(ready, process=None, seconds=60):
    for _ in range(seconds * 50):
        if ready.exists():
            return json.loads(ready.read_text())
        if process and process.poll() is not None:
            raise AssertionError(f"the simulator ended: {process.stderr.read()}")
        time.sleep(0.02)
    raise AssertionError("the simulator did not become ready")


class Cloud:
    """The running simulator."""

    def __init__(self, ready):
        self.ready = ready
        self.ca = ready["ca"]
        self.endpoints = ready["endpoints"]
        self.http = httpx.Client(verify=ssl.create_default_context(cafile=self.ca), timeout=30)
        self.transport = RequestsTransport(connection_verify=self.ca)  # shared, so that it can be closed

    @property
    def azure(self):
        """What any azure-identity credential needs here."""
        authority = self.endpoints["login"]
        return {
            "authority": authority,
            "disable_instance_discovery": True,
            "transport": self.transport,
            "retry_total": 0,
        }

    def close(self):
        self.http.close()
        self.transport.close()

    def control(self, method, path, body=None, status=None):
        answer = self.http.request(method, self.ready["control"] + path, json=body)
        assert status is None or answer.status_code == status, answer.text
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer

    def tenant(self, **more):
        return Tenant(self, **more)


class Tenant:
    """One seeded tenant and calls in the name of its provisioning principal."""

    def __init__(self, cloud, timing=None, applications=(), **more):
        self.cloud, self.id = cloud, str(uuid4())
        self.client_id, self.object_id, self.secret = str(uuid4()), str(uuid4()), f"secret-{uuid4()}"
        self.suffix = self.id[:8]
        self.group_id, self.environment_group = str(uuid4()), str(uuid4())
        self.person, self.boss = f"ada-{self.suffix}@contoso.example", f"boss-{self.suffix}@contoso.example"
        registered = {"client_id": self.client_id, "object_id": self.object_id, "display_name": "svc-elm"}
        document = {
            "id": self.id,
            "name": f"Contoso {self.suffix}",
            "applications": [registered | {"secret": self.secret, "management_application": True}, *applications],
            "users": [{"upn": self.person, "manager": self.boss}, {"upn": self.boss}],
            "groups": [{"id": self.group_id, "display_name": f"SG-{self.suffix}", "members": [self.person]}],
            "environment_groups": [{"id": self.environment_group, "display_name": "FSI-Enterprise-Production"}],
            "timing": {"retry_after": 0} | (timing or {}),
        }
        cloud.control("POST", "/seed", {"tenants": [document | more]}, status=200)
        self.credential = self.credential_for(self.client_id, self.secret)

    def move_to(self, cloud):
        """Talk to another start of the simulator, which must know this tenant already."""
        self.cloud = cloud
        self.credential = self.credential_for(self.client_id, self.secret)

    def credential_for(self, client_id, secret, **more):
        return ClientSecretCredential(self.id, client_id, secret, **self.cloud.azure, **more)

    def token(self, scope):
        return self.credential.get_token(scope).token

    def call(self, method, url, scope, **more):
        headers = {"Authorization": f"Bearer {self.token(scope)}"} | more.pop("headers", {})
        return self.cloud.http.request(method, url, headers=headers, **more)

    def bap(self, method, path, version="2021-04-01", **more):
        url = path if path.startswith("https:") else f"{self.cloud.endpoints['bap']}{BAP}{path}"
        params = {} if path.startswith("https:") else {"params": {"api-version": version} | more.pop("params", {})}
        return self.call(method, url, BAP_SCOPE, **params, **more)

    def pp(self, method, path, version="2024-10-01", **more):
        url = path if path.startswith("https:") else f"{self.cloud.endpoints['power_platform']}{path}"
        params = {} if path.startswith("https:") else {"params": {"api-version": version} | more.pop("params", {})}
        return self.call(method, url, PP_SCOPE, **params, **more)

    def graph(self, method, path, **more):
        return self.call(method, f"{self.cloud.endpoints['graph']}/v1.0{path}", GRAPH_SCOPE, **more)

    def vault(self, method, path, **more):
        url = f"{self.cloud.endpoints['key_vault']}{path}"
        return self.call(method, url, VAULT_SCOPE, params={"api-version": "2026-04-01"}, **more)

    def blob(self, method, path, **more):
        headers = {"x-ms-version": "2021-12-02", "x-ms-blob-type": "BlockBlob"} | more.pop("headers", {})
        return self.call(method, f"{self.cloud.endpoints['blob']}{path}", BLOB_SCOPE, headers=headers, **more)

    def arm(self, method, container, path="", **more):
        """Govern a container through Azure Resource Manager."""
        account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/elm"
        url = f"{self.cloud.ready['arm']}{account}/blobServices/default/containers/{container}{path}"
        return self.call(method, url, ARM_SCOPE, params={"api-version": "2023-05-01"}, **more)

    def domain(self):
        return f"d-{self.suffix}-{uuid4().hex[:6]}"

    def body(self, domain=None, location="europe", dataverse=True, **properties):
        linked = {"baseLanguage": 1033, "currency": {"code": "EUR"}, "domainName": domain or self.domain()}
        known = {"displayName": "Z3-Claims-PROD", "description": "elm:req=1", "environmentSku": "Production"}
        if dataverse:
            linked["securityGroupId"] = self.group_id
            known |= {"databaseType": "CommonDataService", "linkedEnvironmentMetadata": linked}
        return {"location": location, "properties": known | properties}

    def start(self, **wish):
        return self.bap("POST", "/environments", "2023-06-01", json=self.body(**wish))

    def finish(self, location, limit=20):
        """Poll until the operation ends; return its last document."""
        for _ in range(limit):
            document = self.bap("GET", location).json()
            if document["state"]["id"] in ("Succeeded", "Failed"):
                return document
        raise AssertionError(f"still {document['state']}")

    def create(self, **wish):
        """Create an environment and read until it is ready; return its id."""
        answer = self.start(**wish)
        assert answer.status_code == 202, answer.text
        environment = self.finish(answer.headers["location"])["links"]["environment"]["path"].rpartition("/")[2]
        self.settle(environment)
        return environment

    def read(self, environment, version="2023-06-01", **params):
        answer = self.bap("GET", f"/scopes/admin/environments/{environment}", version, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["properties"]

    def settle(self, environment, limit=20):
        """Read until management is Ready and nothing runs any more."""
        for _ in range(limit):
            properties = self.read(environment)
            if properties["states"]["management"]["id"] == "Ready":
                return properties
        raise AssertionError("never ready")

    def manage(self, environment, **settings):
        answer = self.bap("POST", f"/environments/{environment}/governanceConfiguration", json=managed(settings))
        assert answer.status_code == 202, answer.text
        assert self.finish(answer.headers["location"])["state"]["id"] == "Succeeded"
        return self.settle(environment)

    def join(self, environment, group=None):
        group = group or self.environment_group
        answer = self.pp("POST", f"/environmentmanagement/environmentGroups/{group}/addEnvironment/{environment}")
        assert answer.status_code == 202, answer.text
        for _ in range(5):
            state = self.pp("GET", answer.headers["location"]).json()["state"]["id"]
        assert state == "Succeeded"

    def organization(self, environment):
        return Organization(self, self.read(environment)["linkedEnvironmentMetadata"]["instanceUrl"].rstrip("/"))

    def state(self):
        return self.cloud.control("GET", f"/state?tenant={self.id}")

    def journal(self, **filters):
        query = "&".join(f"{name}={value}" for name, value in ({"tenant": self.id} | filters).items())
        return self.cloud.control("GET", f"/journal?{query}")["entries"]

    def fault(self, **rule):
        """Inject a fault that meets only this tenant."""
        return self.cloud.control("POST", "/faults", {"tenant": self.id} | rule, status=201)["ids"][0]


class Organization:
    """The Dataverse organization of an environment."""

    def __init__(self, tenant, url):
        self.tenant, self.url = tenant, url

    def call(self, method, path, **more):
        return self.tenant.call(method, f"{self.url}/api/data/v9.2{path}", f"{self.url}/.default", **more)

    def one(self, path):
        return self.call("GET", path).json()["value"][0]


def managed(settings):
    return {"protectionLevel": "Standard", "settings": {"extendedSettings": settings}}


QUICK = {
    "create_polls": 1,
    "operation_polls": 1,
    "system_polls": 0,
    "metadata_reads": 0,
    "management_reads": 0,
    "token_denials": 0,
    "dataverse_denials": 0,
}
