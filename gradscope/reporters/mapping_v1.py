"""From a report's own types to the JSON report's frozen shape, so that the inside may move."""

from __future__ import annotations

from gradscope import __version__, facts
from gradscope.finding import Finding, Related
from gradscope.report import Report, Suppressed
from gradscope.reporters import schema_v1 as v1
from gradscope.reporters import schema_v1_places as places
from gradscope.reporters.mapping_v1_check import check_v1
from gradscope.reporters.mapping_v1_graph import graph_v1
from gradscope.reporters.mapping_v1_memory import memory_v1
from gradscope.reporters.mapping_v1_places import Places


def report_v1(whole: Report, cwd: str) -> v1.Report:
    """The report in the shape of `schema_version` "1"; non-finite numbers are still floats."""
    recording = whole.recording
    shape = _Shape(cwd, redacted=whole.redacted)
    return v1.Report(
        schema_version="1",
        gradscope=__version__,
        torch=recording.torch_version,
        device=recording.device,
        command=whole.command,
        target=whole.target,
        redacted=whole.redacted,
        findings=[shape.finding(each) for each in whole.findings],
        program=shape.program(recording.program),
        steps=recording.steps,
        backward_passes=recording.backward_passes,
        backwards=[shape.backward(each) for each in recording.backwards],
        parameters=[shape.parameter(each) for each in recording.leaves],
        modules=[_module(each) for each in recording.modules],
        optimizers=[shape.optimizer(each) for each in recording.optimizers],
        chains=[shape.chain(each) for each in recording.chains],
        hooks=[shape.hook(each) for each in recording.hooks],
        loop=None if recording.loop is None else shape.loop(recording.loop),
        check=check_v1(recording, shape) if whole.command == "check" else None,
        graph=None if recording.graph is None else graph_v1(recording.graph, shape),
        memory=None if recording.memory is None else memory_v1(recording.memory, shape),
        notes=list(recording.notes),
        not_seen=list(recording.not_seen),
        suppressed=[shape.suppressed(each) for each in whole.suppressed],
    )


def _module(fact: facts.ModuleFact) -> v1.Module:
    return v1.Module(fact.root, fact.path, fact.class_name, fact.called, fact.training)


class _Shape(Places):
    """Maps each type that `gradscope trace` and all commands share."""

    # ------------------------------------------------------------ findings

    def finding(self, each: Finding) -> v1.Finding:
        return v1.Finding(
            rule=each.rule,
            code=each.code,
            severity=each.severity.value,
            confidence=each.confidence.value,
            subjects=list(each.subjects),
            message=each.message,
            location=self.maybe_place(each.location),
            label=each.label,
            related=[self.related(other) for other in each.related],
            notes=[v1.Note(note.heading, note.text) for note in each.notes],
            evidence={
                name: [*value] if isinstance(value, list | tuple) else value
                for name, value in each.evidence.items()
            },
            fix=each.fix,
            count=each.count,
            consequences=[self.consequence(other) for other in each.consequences],
        )

    def related(self, other: Related) -> places.Related:
        place = self.place(other.location)
        return places.Related(
            place.path,
            place.line,
            place.column,
            place.end_line,
            place.end_column,
            place.function,
            place.module,
            other.message,
        )

    def consequence(self, each: Finding) -> v1.Consequence:
        place = self.maybe_place(each.location)
        return v1.Consequence(each.rule, each.code, each.severity.value, each.message, place)

    def suppressed(self, silenced: Suppressed) -> v1.Suppressed:
        each = silenced.finding
        place = self.maybe_place(each.location)
        return v1.Suppressed(each.rule, each.code, each.severity.value, each.message, place, silenced.by)

    # ------------------------------------------------------------ facts

    def program(self, end: facts.ProgramEnd) -> v1.Program:
        error = None
        if end.error is not None:
            frames = [self.place(frame) for frame in end.error.frames]
            error = v1.ProgramError(end.error.type, end.error.message, frames, end.error.rendered)
        return v1.Program(end.exit_status, error, end.interrupted, end.stopped_after_steps)

    def backward(self, fact: facts.Backward) -> v1.Backward:
        return v1.Backward(
            location=self.maybe_place(fact.location),
            call="grad" if fact.call == "grad" else "backward",
            count=fact.count,
            root=fact.root,
            loss=fact.loss,
            last_loss=fact.last_loss,
            seed=fact.seed,
            create_graph=fact.create_graph,
            nodes=fact.nodes,
            leaves=fact.leaves,
            node_names=dict(fact.node_names),
        )

    def parameter(self, leaf: facts.Leaf) -> v1.Parameter:
        return v1.Parameter(
            name=leaf.name,
            shape=list(leaf.shape),
            dtype=leaf.dtype,
            device=leaf.device,
            is_parameter=leaf.is_parameter,
            requires_grad=leaf.requires_grad,
            root=leaf.root,
            module=leaf.module,
            module_class=leaf.module_class,
            made_at=self.maybe_place(leaf.made_at),
            optimizers=list(leaf.optimizers),
            gradient=None if leaf.gradient is None else self.gradient(leaf.gradient),
        )

    def gradient(self, stats: facts.GradientStats) -> v1.Gradient:
        return v1.Gradient(
            backwards=stats.backwards,
            zero_backwards=stats.zero_backwards,
            nonfinite_backwards=stats.nonfinite_backwards,
            norm=self.value(stats.norm),
            last_norm=self.value(stats.last_norm),
            smallest_norm=self.value(stats.smallest_norm),
            largest_norm=self.value(stats.largest_norm),
            max_abs=self.value(stats.max_abs),
            zero_share=self.value(stats.zero_share),
            nan=self.value(stats.nan),
            inf=self.value(stats.inf),
        )

    def optimizer(self, fact: facts.OptimizerFact) -> v1.Optimizer:
        place = self.maybe_place(fact.location)
        return v1.Optimizer(fact.class_name, place, list(fact.leaves), list(fact.orphans), fact.steps)

    def hook(self, fact: facts.GradientHook) -> v1.Hook:
        changes = [
            v1.HookChange(
                each.effect.value,
                each.count,
                self.value(each.before),
                self.value(each.after),
                self.maybe_value(each.factor),
            )
            for each in fact.changes
        ]
        return v1.Hook(
            kind=fact.kind.value,
            function=fact.function,
            location=self.maybe_place(fact.location),
            defined_at=self.maybe_place(fact.defined_at),
            on=list(fact.on),
            gradients=fact.gradients,
            backwards=fact.backwards,
            changes=changes,
        )

    def loop(self, fact: facts.TrainingLoop) -> v1.Loop:
        phases = [
            v1.Phase(
                kind=each.kind.value,
                location=self.maybe_place(each.location),
                of=each.of,
                count=each.count,
                steps=each.steps,
                first=self.maybe_value(each.first),
                last=self.maybe_value(each.last),
            )
            for each in fact.phases
        ]
        return v1.Loop(fact.steps, fact.usual, fact.orders, phases, fact.left_out)

    def chain(self, table: facts.ChainTable) -> v1.Chain:
        return v1.Chain(
            backward=self.maybe_place(table.backward),
            root=table.root,
            value=table.value,
            seed=table.seed,
            scalar=table.scalar,
            times=table.times,
            rows=[self.chain_row(row) for row in table.rows],
        )

    def chain_row(self, row: facts.ChainRow) -> v1.ChainRow:
        return v1.ChainRow(
            name=row.name,
            expression=row.expression,
            node=row.node,
            location=self.maybe_place(row.location),
            shape=list(row.shape),
            value=row.value,
            local=[v1.Term(name, value) for name, value in row.local],
            incoming=row.incoming,
            outgoing=[v1.Term(name, value) for name, value in row.outgoing],
            is_leaf=row.is_leaf,
            paths=row.paths,
        )
