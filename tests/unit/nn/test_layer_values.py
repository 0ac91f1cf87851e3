"""Values that the fields of layers do not allow."""

import math
from collections.abc import Callable

import pytest

from maxent.errors import UserError
from maxent.nn.layers import BatchNorm, Layer, LayerNorm, Linear, Norm, Residual, RMSNorm


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0), "^Linear units: expected a whole number of at least 1, got 0"),
        (lambda: Linear(-3), "^Linear units: expected a whole number of at least 1, got -3"),
        (lambda: Linear("8"), "^Linear units: expected a whole number, got '8'"),
        (
            lambda: Linear(8, start="xavier"),
            "^Linear start: expected 'uniform' or 'orthogonal' or 'zero', got 'xavier'",
        ),
        (lambda: Linear(8, bias="no"), "^Linear bias: expected True or False, got 'no'"),
        (lambda: Linear(8, unit_norm=1), "^Linear unit_norm: expected True or False, got 1"),
        (lambda: LayerNorm(-1.0), "^LayerNorm epsilon: expected a number of at least 0, got -1.0"),
        (lambda: RMSNorm(math.nan), "^RMSNorm epsilon: expected a number of at least 0, got nan"),
        (lambda: BatchNorm(epsilon=math.inf), "^BatchNorm epsilon: expected a number of at least 0, got inf"),
        (lambda: BatchNorm(epsilon="small"), "^BatchNorm epsilon: expected a number, got 'small'"),
        (lambda: BatchNorm(momentum=1.5), "^BatchNorm momentum: expected a number from 0 to 1, got 1.5"),
        (lambda: Residual(()), "^Residual: expected at least one layer, got none"),
        (lambda: Residual(Linear(5)), "^Residual layers: expected a tuple, each entry Layer, got Linear"),
        (lambda: Residual((5,)), r"^Residual layers: expected a tuple, each entry Layer, got \(5,\)"),
        (Norm, "^Norm is the base class"),
        (Layer, "^Layer is the base class"),
    ],
)
def test_wrong_values_of_layers_are_refused(make: Callable[[], Layer], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
