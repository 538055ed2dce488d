"""The registry itself: its policy, and its account settings."""

from starlette.responses import Response

from careen.console import confirmation, words
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError, RegistryPolicyNotFound
from careen.registry.account_settings import VALUES, Setting

SECTION = "registry"

SAID = {
    Setting.BLOB_MOUNTING: "Pushes may take layers from other repositories",
    Setting.REGISTRY_POLICY_SCOPE: "What the registry's policy may speak of",
    Setting.BASIC_SCAN_TYPE_VERSION: "Version of basic scanning",
}

MEANINGS = {
    "ENABLED": "Yes, if whoever pushes may pull there",
    "DISABLED": "No, every layer is sent",
    "V2": "V2: every action",
    "V1": "V1: replication and pull-through cache alone",
}
"""Of values that do not say it themselves."""


async def shown(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The policy and the settings."""
    text = None
    if visit.may("GetRegistryPolicy"):
        try:
            text = words.indented((await visit.ask("GetRegistryPolicy"))["policyText"])
        except RegistryPolicyNotFound:
            text = ""
    settings = []
    for setting, values in VALUES.items():
        if visit.may("GetAccountSetting"):
            found = await visit.ask("GetAccountSetting", name=setting.value)
            choices = [(value, MEANINGS.get(value, value)) for value in values]
            settings.append((setting.value, SAID[setting], choices, found["value"]))
    is_policy = "policy" in visit.form
    return visit.page(
        "account/account.html",
        refusal=refusal,
        section=SECTION,
        title="Registry",
        policy=visit.form.get("policy") if refusal and is_policy else text,
        has_policy=bool(text),
        settings=settings,
        refused_policy=refusal if is_policy else None,
        refused_setting=None if is_policy else refusal,
    )


async def put(visit: Visit) -> Response:
    """Set or delete the policy, or set a setting."""
    form = visit.form
    try:
        if "setting" in form:
            await visit.ask("PutAccountSetting", name=form["setting"], value=form.get("value", ""))
            return visit.go(url(SECTION), Notice("Saved."))
        if form.get("do") != "delete":
            await visit.ask("PutRegistryPolicy", policyText=form.get("policy", ""))
            return visit.go(url(SECTION), Notice("The policy stands."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                "Delete the policy of the registry?",
                consequence="What it allowed or forbade everywhere is decided by the other policies alone.",
                button="Delete the policy",
                back=url(SECTION),
                section=SECTION,
            )
        await visit.ask("DeleteRegistryPolicy")
    except EcrError as refusal:
        return await shown(visit, refusal)
    return visit.go(url(SECTION), Notice("The policy is deleted."))


PAGES = {"registry": Page(shown, put)}
