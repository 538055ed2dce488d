"""Licences: every package has one that we may use, and what is not clear is not guessed."""

import pytest

from release import licences


def test_every_package_has_a_licence_that_is_allowed() -> None:
    """Stricter for what everybody has to install than for what one asks for by name."""
    refused = {
        name: said
        for name, wanted in licences.needed().items()
        if not licences.is_allowed(
            said := licences.licence_of(name),
            licences.ALLOWED if wanted == [licences.CORE] else licences.ALLOWED_IN_EXTRAS,
        )
    }
    assert refused == {}


def test_what_is_vendored_is_allowed() -> None:
    """What the console's folder has from elsewhere is in our wheel, so it is ours to answer for."""
    assert [name for name, _, _ in licences.vendored()] == ["htmx", "Tabler", "Tabler Icons"]
    assert all(licences.is_allowed(licence) for _, _, licence in licences.vendored())


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("(GPL-2.0-only OR Apache-2.0) AND BSD-2-Clause", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LGPL-3.0-only", False),
    ],
)
def test_one_may_choose_where_a_licence_offers_it(expression: str, allowed: bool) -> None:
    """OR is a choice, AND is not."""
    assert licences.is_allowed(expression) is allowed


def test_needed_is_what_the_lock_file_names() -> None:
    """Through extras of packages, once each, and by whom; not what is for another kind of machine."""
    lock = {
        "package": [
            {
                "name": "careen",
                "dependencies": [
                    {"name": "a"},
                    {"name": "windows", "marker": "sys_platform == 'win32'"},
                ],
                "optional-dependencies": {"more": [{"name": "b", "extra": ["c"]}, {"name": "a"}]},
            },
            {"name": "a", "dependencies": [{"name": "b"}]},
            {"name": "b", "dependencies": [{"name": "a"}], "optional-dependencies": {"c": [{"name": "c"}]}},
            {"name": "c"},
            {"name": "windows"},
        ]
    }
    assert licences.needed(lock) == {"a": ["careen"], "b": ["careen"], "c": ["careen[more]"]}


def test_a_licence_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What some packages call the "BSD License" is none of SPDX's licences."""
    monkeypatch.delitem(licences.READ, "jinja2")
    with pytest.raises(licences.Unclear, match="jinja2 says neither"):
        licences.licence_of("jinja2")
    assert licences.licence_of("starlette") == "BSD-3-Clause"  # an expression
    assert licences.licence_of("mdurl") == "MIT"  # a classifier
    assert licences.licence_of("botocore") == "Apache-2.0"  # a field
