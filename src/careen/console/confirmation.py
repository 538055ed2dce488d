"""Asking whether somebody is sure: what a button does that nothing takes back is done by a second one, on a page of its own."""

from starlette.responses import Response

from careen.console.visit import CSRF_FIELD, Visit

_SURE = "sure"


def is_given(visit: Visit) -> bool:
    """Whether the form that was sent is the one of :func:`ask`."""
    return visit.form.get(_SURE) == "yes"


def ask(visit: Visit, question: str, *, consequence: str, button: str, back: str, section: str) -> Response:
    """The page with the second button. It sends what the first has sent, to the same address.

    Args:
        visit: this one, of the first button.
        question: what it is about: *Delete the webhook ci?*
        consequence: what will be, and what can be done about it then.
        button: what the second button says.
        back: the address for whoever is not sure.
        section: of the navigation.
    """
    carried = [(name, value) for name, value in visit.form.multi_items() if name != CSRF_FIELD]
    return visit.page(
        "confirmation.html",
        section=section,
        title=question,
        consequence=consequence,
        button=button,
        back=back,
        fields=[*carried, (_SURE, "yes")],
    )
