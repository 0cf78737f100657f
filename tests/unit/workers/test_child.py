from inference.request import ModelInfo
from workers.child import first_models


def test_the_default_model_of_each_kind_is_loaded_at_the_start() -> None:
    offered = [
        ModelInfo(name="turbo", category="turbo", tasks=()),
        ModelInfo(name="base", category="base", tasks=()),
        ModelInfo(name="lm", category="lm", tasks=()),
        ModelInfo(name="other-lm", category="lm", tasks=()),
    ]
    assert first_models(offered) == ["turbo", "lm"]
    assert first_models(offered[:2]) == ["turbo"]
    assert first_models([]) == []
