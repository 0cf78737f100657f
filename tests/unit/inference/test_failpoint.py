import pytest

from workers.failpoint import FailpointReached, Failpoints


def test_without_the_variable_nothing_happens() -> None:
    Failpoints({}).hit("child.step")


def test_raises_at_the_chosen_pass_only() -> None:
    failpoints = Failpoints({"FAILPOINT": "child.step:2:raise"})
    failpoints.hit("child.step")
    failpoints.hit("child.before_encode")
    with pytest.raises(FailpointReached, match=r"child\.step"):
        failpoints.hit("child.step")
    failpoints.hit("child.step")


def test_the_first_pass_is_the_default() -> None:
    with pytest.raises(FailpointReached):
        Failpoints({"FAILPOINT": "child.step:raise"}).hit("child.step")


def test_production_refuses_it() -> None:
    with pytest.raises(ValueError, match="production"):
        Failpoints({"FAILPOINT": "child.step", "ACESTEP_ENV": "production"})


@pytest.mark.parametrize("text", ["child.step:soon", "child.step:1:2", "child.step:1:explode"])
def test_a_text_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FAILPOINT must be"):
        Failpoints({"FAILPOINT": text})
