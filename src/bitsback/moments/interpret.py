"""Running a traced graph over Gaussians: one pass, one closed form per operator."""

from collections.abc import Callable, Mapping
from typing import Any

from torch.fx import GraphModule, Interpreter, Node
from torch.utils import _pytree as pytree

from bitsback.errors import ExportError
from bitsback.moments.gaussian import is_gaussian
from bitsback.moments.rules import Rule
from bitsback.posterior.contract import Gaussian

Factor = Callable[[Node, Gaussian], float]


def unscaled(_node: Node, _value: Gaussian) -> float:
    """Leaves every variance as the rules give it."""
    return 1.0


class GaussianInterpreter(Interpreter):
    """Interprets a graph in which some inputs are Gaussians; what depends on none of them is computed as it is.

    Args:
        graph: the traced graph.
        rules: the rule of every operator.
        factor: what a node's variance is multiplied by, given the moments that the rules give.
    """

    def __init__(self, graph: GraphModule, rules: Mapping[Any, Rule], factor: Factor = unscaled) -> None:
        super().__init__(graph)
        self.extra_traceback = False
        self.rules, self.factor = rules, factor

    def run_node(self, n: Node) -> Any:
        """One node: as it is, or over Gaussians by its rule and with its factor.

        Raises:
            ExportError: the operator has no rule, or its rule cannot be applied here.
        """
        if n.op != "call_function":
            return super().run_node(n)
        value = self.propagated(n)
        factor = self.factor(n, value) if is_gaussian(value) else 1.0
        return value if factor == 1 else self.scaled(n, value, factor)

    def scaled(self, _n: Node, value: Gaussian, factor: float) -> Gaussian:
        """A node's moments with its variance multiplied."""
        return Gaussian(value.mean, value.var * factor)

    def propagated(self, n: Node) -> Any:
        """What an operator gives: as it is, or over Gaussians by its rule.

        Raises:
            ExportError: the operator has no rule, or its rule cannot be applied here.
        """
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        random = any(is_gaussian(leaf) for leaf in pytree.tree_leaves((args, kwargs), is_leaf=is_gaussian))
        if not random or getattr(n.target, "__name__", "") == "getitem":
            return n.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]
        rule = self.rules.get(n.target)
        if rule is None:
            known = ", ".join(sorted({str(each).removeprefix("aten.").partition(".")[0] for each in self.rules}))
            raise ExportError(
                f"the operator {n.target} has no rule over Gaussians (at `{place(n)}`); give one of your own as form.rules "
                f"or bitsback.propagated(..., rules=...), or use what has one: {known}"
            )
        try:
            return _checked(rule(*args, **kwargs))
        except Exception as error:  # the rule may be the user's own
            raise ExportError(f"the operator {n.target} (at `{place(n)}`) cannot be propagated: {error}") from error


def _checked(value: Any) -> Any:
    """What a rule gave.

    Raises:
        TypeError: it is neither a Gaussian nor some of them, or its mean and variance differ in shape.
    """
    for each in value if isinstance(value, list | tuple) and not is_gaussian(value) else (value,):
        if not isinstance(each, Gaussian):
            raise TypeError(f"its rule gave {type(each).__name__}, and must give a Gaussian(mean, var)")
        if each.mean.shape != each.var.shape:
            raise TypeError(
                f"its rule gave a mean of shape {tuple(each.mean.shape)} and a variance of shape {tuple(each.var.shape)}, "
                "which must be the same"
            )
    return value


def place(node: Node) -> str:
    """The line of the user's network that calls an operator, or the node's name where the trace does not tell."""
    where = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines() if line.strip()]
    return where[-1] if where else node.name
