"""Objectives over whole views: queries, targets, gradients, buffers. Expected values are worked out by hand."""
import pathlib

from cases import case, facts, objective, verify
from program import folders, require_in

ONE = [1, 1]


def column(*numbers):
    return [len(numbers), 1], list(numbers)


def teacher(base):
    # 0 -> 1: (1 - 5 - 0.5)^2 = 20.25, 1 -> 0: (3 - 2 - 0.5)^2 = 0.25
    case(base / "teacher", objective("pull"), input__online__0=(ONE, [1]), input__online__1=(ONE, [3]),
         input__target__0=(ONE, [2]), input__target__1=(ONE, [5]), state__center=([1], [0.5]),
         expect__loss=([1], [20.5]), expect__grad__online__0=(ONE, [-9]), expect__grad__online__1=(ONE, [1]),
         expect__state__center=([1], [3.5]))
    verify(base / "teacher")


def local_views(base):
    # A third view is asked about both targets, and nobody is asked about it: (0 - 2)^2 + (0 - 5)^2 more.
    case(base / "local", objective("ported.pull"), input__online__0=(ONE, [1]), input__online__1=(ONE, [3]),
         input__online__2=(ONE, [0]), input__target__0=(ONE, [2]), input__target__1=(ONE, [5]),
         expect__loss=([1], [16 + 1 + 4 + 25]), expect__grad__online__2=(ONE, [-4 - 10]))
    verify(base / "local")


def sources(base):
    # (1 - 3)^2 twice; only "student" sends a gradient through the targets.
    for source, gradient in (("student", 8), ("student_detached", 4)):
        case(base / source, objective("pull", f'source = "{source}"'), input__online__0=(ONE, [1]),
             input__online__1=(ONE, [3]), expect__loss=([1], [8]), expect__grad__online__0=(ONE, [-gradient]),
             expect__grad__online__1=(ONE, [gradient]))
        verify(base / source)


def batches(base):
    case(base / "batch", objective("pull"), input__online__0=column(1, 2), input__online__1=column(0, 0),
         input__target__0=column(0, 0), input__target__1=column(0, 0), expect__loss=([1], [2.5]),
         expect__grad__online__0=column(1, 2))
    verify(base / "batch")


def further_inputs(base):
    # An input that is no view fills the buffer of its name, which has no elements until then.
    case(base / "scale", objective("pull", 'source = "student"'), input__online__0=(ONE, [1]),
         input__online__1=(ONE, [3]), input__scale=([2], [0.5, 1.0]), expect__loss=([1], [12]))
    verify(base / "scale")


def faults(base):
    views = {"input__online__0": (ONE, [1]), "input__online__1": (ONE, [3]), "expect__loss": ([1], [8])}
    case(base / "no-target", objective("pull"), **views)
    require_in("no tensor 'input.target.0'", verify(base / "no-target", code=1))
    student = objective("pull", 'source = "student"')
    case(base / "no-buffer", student, input__queue=([1], [1]), **views)
    require_in("no buffer 'queue' to take 'input.queue'", verify(base / "no-buffer", code=1))
    case(base / "wrong-state", student, state__center=([2], [1, 1]), **views)
    require_in("another shape", verify(base / "wrong-state", code=1))
    case(base / "one-view", student, input__online__0=(ONE, [1]), expect__loss=([1], [0]))
    require_in("fewer than two views", verify(base / "one-view", code=1))
    case(base / "no-view", student, expect__loss=([1], [0]))
    require_in("'input.online.0'", verify(base / "no-view", code=1))
    case(base / "uncomputed", student, **views, expect__entropy=([1], [1]))
    require_in("entropy: is expected, and nothing computes it", verify(base / "uncomputed", code=1))


with folders() as name:
    for check in (teacher, local_views, sources, batches, further_inputs, faults):
        check(pathlib.Path(name))
        print("passed:", check.__name__.replace("_", " "))
