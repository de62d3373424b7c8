"""The facts of `gradscope check` in the JSON report's shape."""

from __future__ import annotations

from gradscope import facts
from gradscope.reporters import schema_v1_check as check
from gradscope.reporters import schema_v1_functions as v1
from gradscope.reporters.mapping_v1_places import Places


def check_v1(recording: facts.Recording, shape: Places) -> check.Check:
    """What was checked, in the order in which it was."""
    return check.Check(
        functions=[_function(each, shape) for each in recording.checked],
        models=[_model(each, shape) for each in recording.checked_models],
    )


def _function(fact: facts.CheckedFunction, shape: Places) -> v1.CheckedFunction:
    declared = fact.declared
    return v1.CheckedFunction(
        name=fact.name,
        kind=fact.kind.value,
        location=shape.maybe_place(fact.location),
        forward=shape.maybe_place(fact.forward),
        backward=shape.maybe_place(fact.backward),
        jvp=shape.maybe_place(fact.jvp),
        vmap=shape.maybe_place(fact.vmap),
        declared=v1.Declaration(declared.kind, shape.place(declared.location)) if declared else None,
        samples=[_sample(each) for each in fact.samples],
        outcomes=[
            v1.CheckOutcome(each.check, each.outcome.value, each.detail, each.seconds)
            for each in fact.outcomes
        ],
        wrong_gradients=[_wrong_gradient(each, shape) for each in fact.wrong_gradients],
        wrong_returns=[_wrong_return(each, shape) for each in fact.wrong_returns],
        wrong_doubles=[_wrong_double(each, shape) for each in fact.wrong_doubles],
        nondeterminism=[
            v1.Nondeterminism(
                each.input_name,
                shape.value(each.difference),
                each.elements,
                each.random,
                shape.maybe_place(each.drawn_at),
            )
            for each in fact.nondeterminism
        ],
        context_tensors=[_context_tensor(each, shape) for each in fact.context_tensors],
        unmarked_writes=[_unmarked_write(each, shape) for each in fact.unmarked_writes],
        deviations=[
            v1.Deviation(
                each.dtype,
                each.device,
                each.input_name,
                shape.value(each.error),
                shape.maybe_value(each.native),
                each.excessive,
            )
            for each in fact.deviations
        ],
        saved=_saved(fact.saved) if fact.saved else None,
        ways=_ways(fact.ways, shape) if fact.ways else None,
        curves=[_curve(each) for each in fact.curves],
        agreement=shape.maybe_value(fact.agreement),
        evaluations=fact.evaluations,
        seconds=fact.seconds,
        failure=fact.failure,
        died=fact.died,
        failed_at=shape.maybe_place(fact.failed_at),
        notes=list(fact.notes),
    )


def _sample(fact: facts.SampleFact) -> v1.CheckSample:
    return v1.CheckSample(fact.text, fact.source, fact.origin.value, list(fact.requires_grad))


def _wrong_gradient(fact: facts.WrongGradient, shape: Places) -> v1.WrongGradient:
    return v1.WrongGradient(
        input=fact.input,
        input_name=fact.input_name,
        element=list(fact.element),
        output=fact.output,
        output_element=None if fact.output_element is None else list(fact.output_element),
        analytical=shape.maybe_value(fact.analytical),
        numerical=shape.value(fact.numerical),
        uncertainty=shape.value(fact.uncertainty),
        cause=fact.cause.value,
        pattern=fact.pattern.value,
        pattern_text=fact.pattern_text,
        wrong=fact.wrong,
        looked_at=fact.looked_at,
        elements=fact.elements,
        condition=fact.condition,
        way=fact.way,
        location=shape.maybe_place(fact.location),
        against=fact.against,
    )


def _wrong_return(fact: facts.WrongReturn, shape: Places) -> v1.WrongReturn:
    return v1.WrongReturn(
        fault=fact.fault.value,
        input=fact.input,
        input_name=fact.input_name,
        expected=fact.expected,
        got=fact.got,
        condition=fact.condition,
        error=fact.error,
        location=shape.maybe_place(fact.location),
        against=fact.against,
    )


def _wrong_double(fact: facts.WrongDouble, shape: Places) -> v1.WrongDouble:
    return v1.WrongDouble(
        fault=fact.fault.value,
        input_name=fact.input_name,
        declared=fact.declared,
        silent=fact.silent,
        analytical=shape.maybe_value(fact.analytical),
        numerical=shape.maybe_value(fact.numerical),
        uncertainty=shape.maybe_value(fact.uncertainty),
        used_at=shape.maybe_place(fact.used_at),
        because=shape.maybe_place(fact.because),
        because_text=fact.because_text,
    )


def _context_tensor(fact: facts.ContextTensor, shape: Places) -> v1.ContextTensor:
    return v1.ContextTensor(
        attribute=fact.attribute,
        holds=fact.holds,
        numel=fact.numel,
        nbytes=fact.nbytes,
        location=shape.maybe_place(fact.location),
        escapes=fact.escapes,
        changed_at=shape.maybe_place(fact.changed_at),
        leaks=fact.leaks,
    )


def _unmarked_write(fact: facts.UnmarkedWrite, shape: Places) -> v1.UnmarkedWrite:
    return v1.UnmarkedWrite(
        input=fact.input,
        input_name=fact.input_name,
        location=shape.maybe_place(fact.location),
        past_version=fact.past_version,
        returned=fact.returned,
        matters=fact.matters,
    )


def _saved(fact: facts.SavedTensors) -> v1.SavedTensors:
    return v1.SavedTensors(
        fact.nbytes, fact.inputs_nbytes, list(fact.tensors), list(fact.unused), fact.unused_nbytes
    )


def _ways(fact: facts.Ways, shape: Places) -> v1.Ways:
    ways = [
        v1.Way(each.name, each.passes, each.seconds, shape.maybe_value(each.error), each.exact, each.text)
        for each in fact.ways
    ]
    return v1.Ways(fact.inputs, fact.outputs, ways, [v1.Step(size, error) for size, error in fact.steps])


def _curve(fact: facts.Curve) -> v1.Curve:
    return v1.Curve(fact.name, list(fact.at), list(fact.forward), list(fact.backward), list(fact.numerical))


def _model(fact: facts.CheckedModel, shape: Places) -> check.CheckedModel:
    module = fact.module
    return check.CheckedModel(
        name=fact.name,
        class_name=fact.type_name,
        location=shape.maybe_place(fact.location),
        objective=fact.objective,
        parameters=fact.parameters,
        elements=fact.elements,
        inputs=list(fact.inputs),
        directions=fact.directions,
        error=shape.maybe_value(fact.error),
        looked_at=fact.looked_at,
        wrong=[_wrong_parameter(each, shape) for each in fact.wrong],
        unreached=[_wrong_parameter(each, shape) for each in fact.unreached],
        module=None
        if module is None
        else check.FaultyModule(
            module.name, module.type_name, shape.maybe_place(module.location), module.between
        ),
        function=None if fact.function is None else _function(fact.function, shape),
        deliberate=fact.deliberate,
        low_precision=[shape.place(each) for each in fact.low_precision],
        is_exact=fact.is_exact,
        forwards=fact.forwards,
        seconds=fact.seconds,
        failure=fact.failure,
        died=fact.died,
        notes=list(fact.notes),
    )


def _wrong_parameter(fact: facts.WrongParameter, shape: Places) -> check.WrongParameter:
    return check.WrongParameter(
        fact.name,
        shape.maybe_value(fact.analytical),
        shape.value(fact.numerical),
        shape.value(fact.uncertainty),
    )
