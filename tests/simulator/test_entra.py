"""The token endpoint with unmodified azure-identity (contract §2)."""

import base64
import json
from datetime import UTC, datetime
from uuid import uuid4

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, WorkloadIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.simulator.cloud import BAP_SCOPE


def refusal(tenant, client_id=None, secret=None, scope=BAP_SCOPE):
    with pytest.raises(ClientAuthenticationError) as caught:
        tenant.credential_for(client_id or tenant.client_id, secret or tenant.secret).get_token(scope)
    return str(caught.value)


@pytest.mark.parametrize("chain", [False, True])
def test_a_certificate_signs_in(cloud, keypair, chain):
    private, certificate = keypair
    application = {"client_id": str(uuid4()), "certificate_pem": certificate.decode(), "management_application": True}
    tenant = cloud.tenant(applications=[application])
    tenant.credential = CertificateCredential(
        tenant.id,
        application["client_id"],
        certificate_data=private + certificate,
        send_certificate_chain=chain,
        **cloud.azure,
    )
    assert tenant.bap("GET", "/tenant").json()["tenantId"] == tenant.id


def test_ps256_with_a_sha256_thumbprint_signs_in(cloud, keypair):
    private, certificate = keypair
    client_id = str(uuid4())
    tenant = cloud.tenant(applications=[{"client_id": client_id, "certificate_pem": certificate.decode()}])
    endpoint = f"{cloud.endpoints['login']}/{tenant.id}/oauth2/v2.0/token"
    digest = x509.load_pem_x509_certificate(certificate).fingerprint(SHA256())
    thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    now = datetime.now(UTC).timestamp()
    claims = {"aud": endpoint, "iss": client_id, "sub": client_id, "jti": "1", "iat": now, "exp": now + 600}
    form = {
        "client_id": client_id,
        "grant_type": "client_credentials",
        "scope": BAP_SCOPE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, private, "PS256", {"x5t#S256": thumbprint}),
    }
    assert cloud.http.post(endpoint, data=form).status_code == 200
    form["client_assertion"] = form["client_assertion"][:-4] + "AAAA"
    assert cloud.http.post(endpoint, data=form).json()["error_codes"] == [700027]


def test_an_unregistered_certificate_is_refused(cloud, keypair):
    private, certificate = keypair
    tenant = cloud.tenant()
    credential = CertificateCredential(
        tenant.id, tenant.client_id, certificate_data=private + certificate, **cloud.azure
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        credential.get_token(BAP_SCOPE)


def test_a_workload_identity_signs_in(cloud, tmp_path):
    client_id, trusted = (
        str(uuid4()),
        {"issuer": "https://cluster.example", "subject": "system:serviceaccount:elm:worker"},
    )
    tenant = cloud.tenant(applications=[{"client_id": client_id, "federated_credentials": [trusted]}])
    claims = {"iss": trusted["issuer"], "sub": trusted["subject"], "aud": ["api://AzureADTokenExchange"]}
    file = tmp_path / "token"

    def credential(subject):
        file.write_text(jwt.encode(claims | {"sub": subject}, "k" * 32, "HS256"))
        return WorkloadIdentityCredential(
            tenant_id=tenant.id, client_id=client_id, token_file_path=str(file), **cloud.azure
        )

    assert credential(trusted["subject"]).get_token(BAP_SCOPE).token
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        credential("system:serviceaccount:other:worker").get_token(BAP_SCOPE)


def test_refusals_carry_their_aadsts_code(cloud):
    expired = {"client_id": str(uuid4()), "secret": "old", "secret_end": "2020-01-01T00:00:00Z"}
    tenant = cloud.tenant(applications=[expired])
    assert "AADSTS7000215" in refusal(tenant, secret="wrong")
    assert "AADSTS7000222" in refusal(tenant, expired["client_id"], "old")
    assert "AADSTS700016" in refusal(tenant, str(uuid4()))
    assert "AADSTS500011" in refusal(tenant, scope="https://unknown.example/.default")
    assert "AADSTS70011" in refusal(tenant, scope="https://service.powerapps.com/read")
    unknown = cloud.http.get(f"{cloud.endpoints['login']}/{uuid4()}/v2.0/.well-known/openid-configuration")
    assert (unknown.status_code, unknown.json()["error_codes"]) == (400, [90002])


@pytest.mark.parametrize(("code", "error"), [(53003, "interaction_required"), (7000222, "invalid_client")])
def test_any_aadsts_error_can_be_injected(tenant, code, error):
    tenant.fault(host="login", method="POST", aadsts=code)
    assert f"AADSTS{code}" in refusal(tenant)
    last = tenant.journal(host="login")[-1]
    assert json.loads(last["response_body"])["error"] == error
    assert tenant.token(BAP_SCOPE)


def test_a_claims_challenge_is_answered_by_a_new_token(tenant):
    tenant.fault(host="bap", cae=True, count=0)
    challenge = tenant.bap("GET", "/tenant")
    assert challenge.status_code == 401
    header = challenge.headers["www-authenticate"]
    assert 'error="insufficient_claims"' in header
    claims = base64.b64decode(header.split('claims="')[1].rstrip('"')).decode()
    token = tenant.credential.get_token(BAP_SCOPE, claims=claims, enable_cae=True).token
    url = str(challenge.request.url)
    assert tenant.cloud.http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_secret_can_be_rotated_through_graph(tenant):
    key = f"/applications(appId='{tenant.client_id}')"
    wanted = {"passwordCredential": {"displayName": "elm-2026-11", "endDateTime": "2027-05-21T00:00:00Z"}}
    added = tenant.graph("POST", f"{key}/addPassword", json=wanted).json()
    assert tenant.credential_for(tenant.client_id, added["secretText"]).get_token(BAP_SCOPE).token
    known = tenant.graph("GET", f"/applications/{tenant.object_id}").json()["passwordCredentials"]
    assert {item["secretText"] for item in known} == {None}
    [old] = [item["keyId"] for item in known if item["keyId"] != added["keyId"]]
    assert tenant.graph("POST", f"{key}/removePassword", json={"keyId": old}).status_code == 204
    assert "AADSTS7000215" in refusal(tenant)


def test_a_certificate_can_be_rotated_through_graph(cloud, tenant, keypair):
    private, certificate = keypair
    path = f"/applications/{tenant.object_id}"
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(certificate).decode()}
    assert tenant.graph("PATCH", path, json={"keyCredentials": [key]}).status_code == 204
    [listed] = tenant.graph("GET", path).json()["keyCredentials"]
    assert listed["key"] is None
    known = CertificateCredential(tenant.id, tenant.client_id, certificate_data=private + certificate, **cloud.azure)
    assert known.get_token(BAP_SCOPE).token
    assert tenant.graph("PATCH", path, json={"keyCredentials": [{"keyId": listed["keyId"]}]}).status_code == 204
    assert tenant.graph("GET", path).json()["keyCredentials"][0]["keyId"] == listed["keyId"]


def test_an_owner_rotates_the_application_that_it_owns_and_no_other(cloud):
    owner = {"client_id": str(uuid4()), "secret": "o", "graph_permissions": ["Application.ReadWrite.OwnedBy"]}
    tenant = cloud.tenant(applications=[owner])
    tenant.credential = tenant.credential_for(owner["client_id"], "o")
    path = f"/applications(appId='{tenant.client_id}')/addPassword"
    assert tenant.graph("POST", path, json={}).status_code == 403
    cloud.control(
        "POST", "/seed", {"tenants": [{"id": tenant.id, "applications": [owner | {"owns": [tenant.client_id]}]}]}
    )
    assert tenant.graph("POST", path, json={}).status_code == 200
