"""Mutants of a function: copies of its source with one change each, in a fixed order.

A change flips a sign, drops a term or a factor, doubles a number, replaces an operation by its opposite (maximum and
minimum, sum and mean, ...) or drops a statement. Argument checks, axes and limits of iterations stay as they are.
"""

import ast
import copy
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, NamedTuple

OPPOSITE = {
    "amin": "amax", "amax": "amin", "min": "max", "max": "min", "argmin": "argmax", "argmax": "argmin",
    "mean": "sum", "minimum": "maximum", "maximum": "minimum", "clamp_min": "clamp_max", "clamp_max": "clamp_min",
    "sum": "mean",
}  # fmt: skip
DROPPED = {"exp", "log", "abs", "tanh", "softplus", "sqrt"}
KEPT_CALLS = {
    "check_batch",
    "check_shape",
    "check_alpha",
    "check_policy",
    "range",
    "len",
    "float",
    "enumerate",
    "__init__",
}
NUMBERS = {"Tensor", "FloatArray", "float"}


class Mutant(NamedTuple):
    """One changed copy of a function: its change in words, its kind, and its code."""

    change: str
    kind: str
    code: CodeType


def function_of(found: Any) -> FunctionType:
    """Return the function behind a name of the map: a function, a method, or the constructor of a class."""
    found = vars(found)["__init__"] if isinstance(found, type) else found
    assert isinstance(found, FunctionType)
    return found


def mutants(function: FunctionType) -> list[Mutant]:
    """Return every mutant of a function, in the order of its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    found, seen = [], set()
    for kind, node, replacement in _changes(definition):
        before, after = ast.unparse(node), ast.unparse(replacement)
        mutated = _replaced(definition, node, replacement)
        source = ast.unparse(mutated)
        if source not in seen:
            seen.add(source)
            line = function.__code__.co_firstlineno + getattr(node, "lineno", 1) - 1
            found.append((line, Mutant(f"{before}  →  {after or '(dropped)'}", kind, _compiled(function, mutated))))
    return [mutant for _, mutant in sorted(found, key=lambda pair: pair[0])]


@contextmanager
def with_mutant(function: FunctionType, mutant: Mutant) -> Iterator[None]:
    """Give a function the code of a mutant: wherever it was imported, since the function object is the same."""
    original = function.__code__
    function.__code__ = mutant.code
    try:
        yield
    finally:
        function.__code__ = original


def _compiled(function: FunctionType, definition: ast.FunctionDef) -> CodeType:
    """Compile a changed definition; a constructor's `super()` needs `__class__` as a free variable."""
    free = function.__code__.co_freevars
    outer = ast.parse(f"def outer({', '.join(free)}): pass")
    assert isinstance(outer.body[0], ast.FunctionDef)
    outer.body[0].body = [definition]
    code = compile(ast.fix_missing_locations(outer), function.__code__.co_filename, "exec")
    for name in ("outer", function.__name__):
        code = next(const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == name)
    assert code.co_freevars == free
    return code


def _replaced(definition: ast.FunctionDef, node: ast.AST, replacement: ast.AST) -> ast.FunctionDef:
    """Return a copy of a definition without annotations, with one node replaced."""

    class Replace(ast.NodeTransformer):
        def visit(self, current: ast.AST) -> ast.AST:
            return replacement if current is node else super().visit(current)

    memo = {id(node): node}  # the node itself is found again in the copy
    changed = Replace().visit(copy.deepcopy(definition, memo))
    assert isinstance(changed, ast.FunctionDef)
    for argument in ast.walk(changed):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    changed.returns = None
    return changed


def _changes(definition: ast.FunctionDef) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Yield the kind of a change, a node, and what replaces it."""
    arguments = [*definition.args.args, *definition.args.kwonlyargs]
    numbers = {a.arg for a in arguments if a.annotation is not None and ast.unparse(a.annotation) in NUMBERS} - {"tol"}
    returned = "" if definition.returns is None else ast.unparse(definition.returns)
    for node in _mathematics(definition):
        if isinstance(node, ast.BinOp):
            yield from _of_operation(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert):
            yield "sign", node, node.operand
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield "factor", node, ast.Constant(2.0 * node.value if node.value else 1.0)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, numbers)
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            yield "sign", node, ast.AugAssign(node.target, ast.Sub(), node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _name(node.value) not in KEPT_CALLS:
            yield "term", node, ast.Pass()
        elif isinstance(node, ast.Return) and returned in NUMBERS and not isinstance(node.value, ast.UnaryOp | None):
            yield "sign", node.value, ast.UnaryOp(ast.USub(), node.value)


def _of_operation(node: ast.BinOp) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    if isinstance(node.op, ast.Add):
        yield "sign", node, ast.BinOp(node.left, ast.Sub(), node.right)
        yield "term", node, node.left
        yield "term", node, node.right
    elif isinstance(node.op, ast.Sub):
        yield "sign", node, ast.BinOp(node.left, ast.Add(), node.right)
        yield "term", node, node.left
        yield "term", node, ast.UnaryOp(ast.USub(), node.right)
    elif isinstance(node.op, ast.Mult):
        yield "factor", node, node.left
        yield "factor", node, node.right
    elif isinstance(node.op, ast.Div):
        yield "factor", node, node.left
        yield "factor", node, ast.BinOp(node.left, ast.Mult(), node.right)
    elif isinstance(node.op, ast.Pow):
        yield "factor", node, node.left


def _of_call(node: ast.Call, numbers: set[str]) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    name, function = _name(node), node.func
    if name in KEPT_CALLS:
        return
    if name in OPPOSITE:
        other = copy.deepcopy(function)
        if isinstance(other, ast.Attribute):
            other.attr = OPPOSITE[name]
            yield "operation", node, ast.Call(other, node.args, node.keywords)
        elif isinstance(other, ast.Name):
            yield "operation", node, ast.Call(ast.Name(OPPOSITE[name], ast.Load()), node.args, node.keywords)
    if name in DROPPED and isinstance(function, ast.Attribute):
        module = isinstance(function.value, ast.Name) and function.value.id in ("np", "torch", "F", "math")
        yield "operation", node, node.args[0] if module else function.value
    if name == "detach" and isinstance(function, ast.Attribute):
        yield "operation", node, function.value
    for argument in node.args:
        if isinstance(argument, ast.Name) and argument.id in numbers and not name.endswith("_like"):
            yield "sign", argument, ast.UnaryOp(ast.USub(), argument)


def _name(node: ast.Call) -> str:
    """Return the last part of the name of the called function."""
    return ast.unparse(node.func).rsplit(".", 1)[-1]


def _mathematics(definition: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield the nodes of a body, without argument checks, exceptions and annotations."""
    for statement in definition.body:
        yield from _inside(statement)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    raises = isinstance(node, ast.If) and all(isinstance(each, ast.Raise) for each in node.body)
    axis = (
        isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int)
    )
    count = isinstance(node, ast.Call) and _name(node) == "range"
    if raises or axis or count or isinstance(node, ast.Raise):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "slice", "keywords", "args") or isinstance(node, ast.Call):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _inside(child)
