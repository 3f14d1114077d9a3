"""The name of a secret."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from agentsecrets import InvalidCall, SecretRef

TEXTS = ["A", "STRIPE_KEY", "payments/production/STRIPE_KEY", "agentsecrets://w/p/e/NAME_1"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("pattern", [None, "Bot {}"])
def test_it_is_its_text(text: str, pattern: str | None) -> None:
    reference = SecretRef(text) if pattern is None else SecretRef(text).format(pattern)
    assert str(reference) == text
    assert f"{reference}" == text
    assert json.loads(json.dumps({"k": reference})) == {"k": text}
    assert reference.name == text.split("/")[-1]
    assert reference.pattern == pattern
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(reference, protocol))
        assert type(again) is SecretRef
        assert again == reference
        assert again.pattern == pattern
    assert copy.copy(reference) == copy.deepcopy(reference) == reference
    assert hash(reference) == hash(copy.deepcopy(reference))
    assert {reference: 1}[reference] == 1


def test_equality() -> None:
    assert SecretRef("A") == SecretRef("A")
    assert SecretRef("A") == "A"
    assert SecretRef("A") != SecretRef("B")
    assert SecretRef("A") != SecretRef("A").format("Bot {}")
    assert SecretRef("A").format("x {}") == SecretRef("A").format("x {}")
    assert repr(SecretRef("A").format("Bot {}")) == "SecretRef('A').format('Bot {}')"


def test_it_is_frozen() -> None:
    reference = SecretRef("A")
    for name in ("name", "other", "_pattern"):
        with pytest.raises(AttributeError):
            setattr(reference, name, "B")
    with pytest.raises(AttributeError):
        del reference._pattern
    assert not hasattr(reference, "__dict__")
    assert not hasattr(reference, "get")


def test_placeholder() -> None:
    assert SecretRef("STRIPE_KEY").placeholder == "AS_SECRET_STRIPE_KEY"
    assert SecretRef("OPENAI_KEY").placeholder_like("sk-") == "sk-AS_SECRET_3_OPENAI_KEY"
    for wrong in ("", "a b", "\u00e4", "x" * 65):
        with pytest.raises(InvalidCall):
            SecretRef("OPENAI_KEY").placeholder_like(wrong)
    with pytest.raises(InvalidCall):
        _ = SecretRef("p/e/A").placeholder


@pytest.mark.parametrize("text", ["", "a", "1A", "A-B", "p/NAME", "a/b/c/D", "agentsecrets://A", "A" * 129])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(InvalidCall):
        SecretRef(text)


def test_a_pasted_value_is_not_repeated() -> None:
    pasted = "sk_live_" + "x7Zq" * 8
    with pytest.raises(InvalidCall) as refused:
        SecretRef(pasted)
    assert pasted not in f"{refused.value!r} {refused.value} {refused.value.hint}"


@pytest.mark.parametrize("pattern", ["", "Bot", "{}{}"])
def test_a_format_has_one_blank(pattern: str) -> None:
    with pytest.raises(InvalidCall):
        SecretRef("A").format(pattern)
