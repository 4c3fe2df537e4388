"""Which hosts exist, and which may see a token."""

import json

import pytest

from microsoft_cloud import Endpoints, Service
from microsoft_cloud.errors import UntrustedUrlError

PUBLIC = Endpoints.public()


def test_bap_wants_the_power_apps_audience_and_not_its_own_host():
    assert PUBLIC.bap.scope_for(PUBLIC.bap.origin) == "https://service.powerapps.com/.default"
    assert PUBLIC.power_platform.scope == "https://api.powerplatform.com/.default"


def test_a_dataverse_scope_is_its_own_host_without_the_slash():
    assert PUBLIC.dataverse.scope_for("https://x.crm4.dynamics.com/") == "https://x.crm4.dynamics.com/.default"
    assert "https://x.crm4.dynamics.com/.default" not in PUBLIC.fixed_scopes


@pytest.mark.parametrize(
    ("service", "url"),
    [
        (Service.BAP, "https://api.bap.microsoft.com/x"),
        (Service.BAP, "https://europe.api.bap.microsoft.com/providers/x?api-version=1"),
        (Service.BAP, "https://EUROPE.api.bap.microsoft.com:443/x"),
        (Service.POWER_PLATFORM, "https://11.22.tenant.api.powerplatform.com/x"),
        (Service.DATAVERSE, "https://z3.crm11.dynamics.com/"),
        (Service.KEY_VAULT, "https://kv-elm.vault.azure.net"),
        (Service.BLOB, "https://elm.blob.core.windows.net"),
    ],
)
def test_the_hosts_of_a_service_are_trusted(service, url):
    PUBLIC.require_trusted(service, url)


@pytest.mark.parametrize("service", [Service.BAP, Service.DATAVERSE, Service.GRAPH, Service.KEY_VAULT])
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/metadata/identity",
        "https://169.254.169.254/metadata/identity",
        "https://[::ffff:169.254.169.254]/",
        "https://[::1]/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://127.0.0.1:443/",
        "https://localhost/",
        "https://metadata.azure.internal/",
        "https://169.254.169.254.nip.io/",
        "https://graph.microsoft.com@169.254.169.254/",
        "https://169.254.169.254\\@graph.microsoft.com/",
        "https://graph.microsoft.com%2f@169.254.169.254/",
        "file:///etc/passwd",
        "gopher://graph.microsoft.com/",
        "ftp://graph.microsoft.com/",
    ],
)
def test_s9_no_address_of_this_network_or_of_another_scheme_is_ever_fetched(service, url):
    with pytest.raises(UntrustedUrlError):
        PUBLIC.require_trusted(service, url)


@pytest.mark.parametrize(
    ("service", "url"),
    [
        (Service.BAP, "https://evil.example/lifecycleOperations/1"),
        (Service.BAP, "http://api.bap.microsoft.com/x"),
        (Service.BAP, "https://api.bap.microsoft.com.evil.example/x"),
        (Service.BAP, "https://evilapi.bap.microsoft.com/x"),
        (Service.BAP, "https://api.bap.microsoft.com@evil.example/x"),
        (Service.BAP, "https://user:pw@api.bap.microsoft.com/x"),
        (Service.BAP, "https://api.bap.microsoft.com:8443/x"),
        (Service.BAP, "https://api.bap.microsoft.com./x"),
        (Service.BAP, "https://z3.crm4.dynamics.com/x"),
        (Service.GRAPH, "https://evil.graph.microsoft.com/x"),
        (Service.DATAVERSE, "https://kv.vault.azure.net/x"),
        (Service.BAP, "/relative"),
        (Service.BAP, ""),
        (Service.BAP, "https://"),
        (Service.BAP, "https://[::1"),
        (Service.BAP, "file:///etc/passwd"),
    ],
)
def test_r04_every_other_url_is_refused(service, url):
    with pytest.raises(UntrustedUrlError) as refused:
        PUBLIC.require_trusted(service, url)
    assert refused.value.service == service
    assert "passwd" not in str(refused.value)
    assert "pw@" not in str(refused.value)


def test_a_sovereign_cloud_moves_hosts_and_audiences():
    gcc = Endpoints.gcc()
    assert gcc.bap.origin == "https://gov.api.bap.microsoft.us"
    assert gcc.bap.scope == "https://gov.service.powerapps.us/.default"
    assert gcc.power_platform.origin == "https://api.gov.powerplatform.microsoft.us"
    assert gcc.login == PUBLIC.login
    assert Endpoints.gcc_high().login.origin == "https://login.microsoftonline.us"
    with pytest.raises(UntrustedUrlError):
        gcc.require_trusted(Service.BAP, "https://api.bap.microsoft.com/x")


def test_a_json_file_can_point_everything_at_a_simulator():
    mapping = json.loads(
        """{"login": "https://localhost:8443", "bap": "https://localhost:8443/", "power_platform": "https://localhost:8443",
        "graph": "https://localhost:8443", "key_vault": "https://localhost:8443", "blob": "https://localhost:8443",
        "scopes": {"bap": "https://other/.default"}, "versions": {"key_vault": "7.5"},
        "trusted_hosts": ["localhost:8443", "europe.localhost:8443", ".orgs.test:8443"], "ca": "ca.pem"}"""
    )
    endpoints = Endpoints.from_mapping(mapping)
    assert endpoints.bap.origin == "https://localhost:8443"
    assert endpoints.bap.scope == "https://other/.default"
    assert endpoints.graph.scope == "https://graph.microsoft.com/.default"
    assert endpoints.versions.key_vault == "7.5"
    assert endpoints.ca == "ca.pem"
    for host in ("localhost:8443", "europe.localhost:8443", "a.orgs.test:8443"):
        endpoints.require_trusted(Service.DATAVERSE, f"https://{host}/x")
    for host in ("localhost", "localhost:8444", "api.bap.microsoft.com", "europe.api.bap.microsoft.com"):
        with pytest.raises(UntrustedUrlError):
            endpoints.require_trusted(Service.BAP, f"https://{host}/x")


def test_a_mapping_may_choose_a_cloud():
    assert Endpoints.from_mapping({"cloud": "gcc"}) == Endpoints.gcc()
    assert Endpoints.from_mapping({}) == PUBLIC


@pytest.mark.parametrize(
    "mapping",
    [{"bapp": "https://x"}, {"bap": "http://x"}, {"scopes": {"bapp": "x"}}, {"versions": {"nope": "1"}}],
)
def test_a_mistake_in_the_mapping_is_told(mapping):
    with pytest.raises(ValueError, match=r"bapp|http://x|nope"):
        Endpoints.from_mapping(mapping)
