"""People sign in at the simulated Entra: codes, PKCE, sessions, prompt and max_age, groups."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import jwt
import pytest

from simulator.clock import parse_time

BACK = "https://elm.example/sign-in/entra/callback/"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def application(cloud):
    """A tenant with an application through which people sign in."""
    app = {"client_id": str(uuid4()), "object_id": str(uuid4()), "display_name": "elm", "secret": "s"}
    tenant = cloud.tenant(applications=[app | {"redirect_uris": [BACK]}])
    return tenant, app["client_id"]


def simulated_seconds(cloud):
    """Return what the simulator's clock says, in seconds since 1970."""
    return int(parse_time(cloud.control("GET", "/state")["now"]).timestamp())


def authorize(cloud, application, cookie="", **more):
    tenant, client_id = application
    asked = {
        "client_id": client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "openid profile",
        "state": "st",
        "nonce": "n",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    url = f"{cloud.endpoints['login']}/{more.pop('path', tenant.id)}/oauth2/v2.0/authorize?{urlencode(asked | more)}"
    answer = cloud.http.get(url, headers={"Cookie": cookie})
    cloud.http.cookies.clear()
    return answer


def values(answer):
    assert answer.status_code == 302, answer.text
    return {name: items[0] for name, items in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def redeem(cloud, application, code, **more):
    tenant, client_id = application
    form = {"client_id": client_id, "client_secret": "s", "grant_type": "authorization_code", "code": code}
    form |= {"redirect_uri": BACK, "code_verifier": VERIFIER} | more
    return cloud.http.post(f"{cloud.endpoints['login']}/{tenant.id}/oauth2/v2.0/token", data=form)


def test_a_code_is_worth_one_token_signed_with_a_published_key(cloud, application):
    tenant, client_id = application
    began = simulated_seconds(cloud)
    back = values(authorize(cloud, application, account=tenant.person))
    assert back["state"] == "st"
    token = redeem(cloud, application, back["code"]).json()["id_token"]
    config = cloud.http.get(f"{cloud.endpoints['login']}/{tenant.id}/v2.0/.well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(cloud.http.get(config["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    # PyJWT knows this machine's clock alone; other tests have moved the simulator's, by which the token is timed
    times = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    expected = {"audience": client_id, "issuer": config["issuer"], "options": times}
    claims = jwt.decode(token, key, ["RS256"], **expected)
    assert began <= claims["auth_time"] <= claims["iat"] == claims["nbf"] <= simulated_seconds(cloud) < claims["exp"]
    assert (claims["nonce"], claims["tid"], claims["preferred_username"]) == ("n", tenant.id, tenant.person)
    assert claims["groups"] == [tenant.group_id]
    assert redeem(cloud, application, back["code"]).json()["error_codes"] == [70008]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"code_verifier": "w" * 43}, 501481),
        ({"redirect_uri": "https://elm.example/"}, 501461),
        ({"client_secret": "x"}, 7000215),
        ({"code": "unknown"}, 70008),
    ],
)
def test_a_code_is_worth_nothing_without_its_proofs(cloud, application, wrong, code):
    back = values(authorize(cloud, application, account=application[0].person))
    assert redeem(cloud, application, **({"code": back["code"]} | wrong)).json()["error_codes"] == [code]


def test_nobody_is_sent_to_an_address_that_is_not_registered(cloud, application):
    answer = authorize(cloud, application, account=application[0].person, redirect_uri="https://attacker.example/")
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [50011])


def test_a_session_answers_by_itself_unless_a_new_sign_in_is_asked_for(cloud, application):
    tenant, _ = application
    assert values(authorize(cloud, application, prompt="none"))["error"] == "login_required"
    page = authorize(cloud, application)
    assert tenant.person in page.text
    first = authorize(cloud, application, account=tenant.person)
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    assert "code" in values(authorize(cloud, application, cookie))
    assert "code" in values(authorize(cloud, application, cookie, max_age="3600"))
    assert "code" in values(authorize(cloud, application, cookie, path="organizations"))
    for asked in ({"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}):
        assert "Pick an account" in authorize(cloud, application, cookie, **asked).text, asked


def test_no_code_and_no_cookie_stays_in_the_journal(cloud, application):
    answer = authorize(cloud, application, account=application[0].person)
    code, cookie = values(answer)["code"], answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    redeem(cloud, application, code)
    text = cloud.http.get(f"{cloud.ready['control']}/journal").text
    assert "authorize" in text
    assert code not in text
    assert cookie not in text
    assert VERIFIER not in text
