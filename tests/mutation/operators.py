"""What a mutant changes: one comparison, sum, constant, condition or statement of a module."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
_OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Statements that a mutant may leave out; what they do is all that they are there for.
_DROPPED = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Delete)
#: What gives a tolerance, on whose very edge floats decide: no test can say on which side it is.
_TOLERANCES = ("float_tolerance",)
#: Arguments that declare: a dataclass's own methods, and lengths that are equal by construction.
_DECLARING = ("init", "repr", "compare", "strict")


@dataclass(frozen=True)
class Mutant:
    """One change of a module: where it is, what it says now, and the whole changed source."""

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of *source*, in the order of its nodes."""
    tree = ast.parse(source)
    skipped = _skipped(tree)
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for change in _changes(node):
            changed = copy.deepcopy(tree)
            target = next(each for at, each in enumerate(ast.walk(changed)) if at == place)
            before = ast.unparse(target)
            change(target)
            yield Mutant(
                getattr(node, "lineno", 0),
                before,
                "(left out)" if isinstance(node, _DROPPED) else ast.unparse(target),
                ast.unparse(ast.fix_missing_locations(changed)),
            )


def _skipped(tree: ast.Module) -> set[int]:
    """Nodes whose change no test can or should notice: declarations, docstrings, messages, logs."""
    skipped: set[int] = set()

    def skip(node: ast.AST | None) -> None:
        if node is not None:
            skipped.update(id(each) for each in ast.walk(node))

    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign():
                skip(node.annotation)
            case ast.arg():
                skip(node.annotation)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                skip(node.returns)
                for decorator in node.decorator_list:
                    skip(decorator)
            case ast.ClassDef():
                for decorator in node.decorator_list:
                    skip(decorator)
            case ast.keyword(arg=str(name)) if name in _DECLARING:
                skip(node)
            case ast.Compare(ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()]):
                if any(_calls_tolerance(each) for each in ast.walk(node)):
                    skipped.add(id(node))
            case ast.Expr(value=ast.Constant() | ast.Yield() | ast.YieldFrom()):
                skip(node)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
                skip(node)
            case ast.Assign(targets=[ast.Name(id="__slots__")]):
                skip(node)
            case ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                skip(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                skip(node)
    for statement in tree.body:
        # A module's own constants and aliases are what other tests state as facts.
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            skip(statement)
    return skipped


def _calls_tolerance(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _TOLERANCES
    return False


def _changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """Each change that *node* takes, as a function that makes it in a copy of the node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            yield _swap_comparison
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield _swap_arithmetic
        case ast.BoolOp():
            yield _swap_connective
        case ast.Constant(value=bool()):
            yield _flip
        case ast.Constant(value=int() | float()):
            yield _add_one
        case ast.Call(func=ast.Name(id=name)) if name in _OPPOSITES:
            yield _swap_call
        case ast.If() | ast.While() | ast.IfExp():
            yield _negate
        # Whoever asks for a truth cannot tell None from False, which is flipped anyway.
        case ast.Return(value=ast.expr()) if ast.unparse(node)[7:] not in ("None", "False"):
            yield _return_nothing
        case _ if isinstance(node, _DROPPED):
            yield _drop


def _swap_comparison(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops = [_COMPARISONS[type(node.ops[0])]()]


def _swap_arithmetic(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp)
    node.op = _ARITHMETIC[type(node.op)]()


def _swap_connective(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()


def _flip(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    node.value = not node.value


def _add_one(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, (int, float))
    node.value = node.value + 1


def _swap_call(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    node.func.id = _OPPOSITES[node.func.id]


def _negate(node: ast.AST) -> None:
    assert isinstance(node, (ast.If, ast.While, ast.IfExp))
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _return_nothing(node: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)


def _drop(node: ast.AST) -> None:
    """Turn the statement into `pass` in place, as the node does not know its parent."""
    node.__class__ = ast.Pass
    for field in ("targets", "target", "op", "value", "exc", "cause", "type_comment"):
        node.__dict__.pop(field, None)
