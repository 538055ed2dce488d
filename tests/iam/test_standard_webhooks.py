"""Signatures of webhooks: the specification's example, and secrets that are derived."""

import base64

from careen.iam import keys, standard_webhooks


def test_the_example_of_the_reference_libraries() -> None:
    """Secret, message and signature as the libraries' own tests have them."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert standard_webhooks.headers(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    ) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_side_by_side() -> None:
    """While one is turned over; a receiver takes either."""
    both = standard_webhooks.headers([b"new", b"old"], "id", 1, b"{}")["webhook-signature"]
    each = [standard_webhooks.headers([key], "id", 1, b"{}")["webhook-signature"] for key in (b"new", b"old")]
    assert both.split() == each


def test_a_secret_is_one_webhooks_and_one_generations() -> None:
    """Of 256 bits, within the 24 to 64 bytes that the specification asks for."""
    master = b"m" * keys.MASTER_KEY_SIZE
    secrets = {keys.webhook_secret(master, *which) for which in ((1, 0), (1, 1), (2, 0))}
    assert len(secrets) == 3
    assert {len(secret) for secret in secrets} == {32}
    text = standard_webhooks.secret_text(min(secrets))
    assert base64.b64decode(text.removeprefix("whsec_")) == min(secrets)
