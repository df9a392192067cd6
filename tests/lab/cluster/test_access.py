"""Who may do what."""

from __future__ import annotations

import pytest

from triage.lab.cluster.access import OPERATE, VIEW, Access, Question, Rule, User

VIEWER, OPERATOR = User("viewer", VIEW), User("operator", OPERATE)


@pytest.mark.parametrize(("verb", "group", "resource", "subresource", "viewer", "operator"), [
    ("list", "", "pods", "", True, True),
    ("watch", "argoproj.io", "rollouts", "", True, True),
    ("patch", "argoproj.io", "rollouts", "", False, True),
    ("patch", "argoproj.io", "rollouts", "status", False, True),
    ("update", "apps", "deployments", "scale", False, True),
    ("create", "coordination.k8s.io", "leases", "", False, True),
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews", "", True, True),
    ("delete", "argoproj.io", "rollouts", "", False, False),
    ("delete", "", "pods", "", False, True),
    ("create", "", "secrets", "", False, False),
    ("*", "*", "*", "", False, False),
])
def test_a_viewer_reads_and_an_operator_also_moves_rollouts(verb: str, group: str, resource: str, subresource: str,
                                                           viewer: bool, operator: bool) -> None:
    question = Question(verb, group, resource, "ml", subresource=subresource)
    assert (VIEWER.may(question), OPERATOR.may(question)) == (viewer, operator)


def test_a_right_on_the_object_is_none_on_its_status() -> None:
    user = User("half", (Rule(("argoproj.io",), ("rollouts",), ("patch",)),))
    assert user.may(Question("patch", "argoproj.io", "rollouts", "ml"))
    assert not user.may(Question("patch", "argoproj.io", "rollouts", "ml", subresource="status"))


def test_a_right_may_be_for_one_namespace_and_one_name() -> None:
    user = User("narrow", (Rule(("",), ("pods",), ("get",), namespaces=("ml",), names=("one",)),))
    assert user.may(Question("get", "", "pods", "ml", "one"))
    assert not user.may(Question("get", "", "pods", "ml", "two"))
    assert not user.may(Question("get", "", "pods", "other", "one"))


def test_a_token_is_the_whole_token() -> None:
    access = Access({"right": OPERATOR})
    assert access.user("right") is OPERATOR
    assert [access.user(token) for token in ("", "righ", "right ", "wrong")] == [None] * 4


def test_tokens_are_not_shown() -> None:
    assert "right" not in repr(Access({"right": OPERATOR}))


def test_a_refusal_names_user_verb_resource_and_place() -> None:
    question = Question("patch", "argoproj.io", "rollouts", "ml", "fraud", "status")
    assert question.refused("viewer") == (
        'User "viewer" cannot patch resource "rollouts/status" in API group "argoproj.io" in the namespace "ml"')
    assert Question("list", "", "pods").refused("viewer").endswith('in API group "" at the cluster scope')
