"""train_candidate and train_control: the same seed and budget, with the policy and without."""

from __future__ import annotations

import resource
from dataclasses import asdict

from augment_ops import scratch
from augment_ops.content import canonical_json, digest_of
from augment_ops.data.snapshot import Split
from augment_ops.delivery.batches import BatchSource, batch_rows
from augment_ops.delivery.meters import OtherWork, advice
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, shard_identity
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.augmenter import Augmenter
from augment_ops.engine.key import SampleIds
from augment_ops.machine import usable_cores
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Augmentation, ResolvedPolicy
from augment_ops.pipeline.recorders.traced_batches import TracedBatches
from augment_ops.pipeline.run import entry_key
from augment_ops.pipeline.stages.data import log_input
from augment_ops.training.result import EpochMetrics, TrainedRole, TrainingResult

NO_AUGMENTATION = digest_of("no augmentation")  # stands for the control's policy


def train_candidate(ctx: Context) -> TrainingResult:
    """Train with the policy."""
    return _train(ctx, "candidate")


def train_control(ctx: Context) -> TrainingResult:
    """Train without augmentation."""
    return _train(ctx, "control")


def _train(ctx: Context, role: TrainedRole) -> TrainingResult:
    from augment_ops.training import loop
    from augment_ops.training.export import export, model_digest
    from augment_ops.training.models import load_factory

    params, snapshot = ctx.params, ctx.snapshot
    plan = ctx.output("augment", Augmentation)
    train, validation = snapshot.split("train"), snapshot.split("validation")
    shape, classes = snapshot.manifest.image_shape, len(snapshot.manifest.classes)
    source = _batches(ctx, role, plan, train)  # first: it warms up while the model is made
    if ctx.trace.on:
        source = TracedBatches(source, ctx.trace, role)
    budget = loop.Budget(plan.epochs, params.batch_size, params.seed)
    steps = len(batch_rows(params.seed, 0, len(train.labels), params.batch_size))

    def progress(metrics: EpochMetrics) -> None:
        ctx.say(
            f"{role} epoch {metrics.epoch + 1}/{budget.epochs}: loss {metrics.train_loss:.3f}, validation accuracy "
            f"{metrics.validation_accuracy:.4f}, {metrics.samples_per_s:,.0f} samples/s, "
            f"wait {metrics.data_wait_share:.0%}"
        )

    others = OtherWork()
    try:
        model = loop.build(load_factory(params.model), shape, classes, params.seed)
        curve, meters = loop.train(model, source, (validation.payload, validation.labels), budget, steps, progress)
        taken = others.cores()  # while workers that are processes still live, and count as this one's
    finally:
        source.close()
    with scratch.folder("export") as folder:
        program = folder / "model.pt2"
        export(model, shape, program)
        artifact = ctx.store.put_file(program)
    result = TrainingResult(
        role=role,
        model_digest=model_digest(model),
        artifact=artifact,
        factory=params.model,
        parameters=sum(p.numel() for p in model.parameters()),
        snapshot_digest=snapshot.manifest.digest,
        policy_digest=_policy_digest(ctx, role),
        augmented_with=plan.digest if role == "candidate" else NO_AUGMENTATION,
        seed=params.seed,
        curve=curve,
        samples_per_s=meters.samples_per_s,
        delivery=meters.delivery,
        advice=advice(meters.delivery, workers=params.workers, cores=usable_cores(), taken=taken),
        wall_s=meters.wall_s,
        peak_rss_mb=_peak_rss_mb(),
    )
    _log(ctx, result, validation)
    return result


def _batches(ctx: Context, role: TrainedRole, plan: Augmentation, train: Split) -> BatchSource:
    params = ctx.params
    policy = ctx.output("resolve_policy", ResolvedPolicy).policy()
    augmenter = None if role == "control" or policy.is_identity else Augmenter(policy, params.seed)
    mixer, classes = None, len(ctx.snapshot.manifest.classes)
    if augmenter is not None and policy.mixing is not None:
        mixer = Mixer(policy.mixing, augmenter, SampleIds.of(train.ids), train.labels, classes)
    if role == "candidate" and plan.shards is not None:
        return ShardBatches(
            ctx.store, plan.shards, train.labels, seed=params.seed, batch_size=params.batch_size, mixer=mixer,
            classes=classes,
        )  # fmt: skip
    online = OnlineBatches(
        train.payload,
        train.labels,
        train.ids,
        augmenter,
        seed=params.seed,
        batch_size=params.batch_size,
        # Reading rows from memory needs no worker; decoding them does.
        workers=params.workers if augmenter is not None or ctx.snapshot.manifest.decoding is not None else 0,
        mixer=mixer,
        classes=classes,
    )
    online.warm_up()
    if plan.mode != "nearline" or augmenter is None:
        return online
    return NearlineBatches(
        ctx.store,
        online,
        shard_identity(ctx.snapshot.manifest.digest, "train", augmenter),
        train.payload,
        train.labels,
        seed=params.seed,
        batch_size=params.batch_size,
        limit_bytes=int(params.cache_gib * (1 << 30)),
        mixer=mixer,
        classes=classes,
    )


def _policy_digest(ctx: Context, role: TrainedRole) -> str:
    return ctx.output("resolve_policy", ResolvedPolicy).digest if role == "candidate" else NO_AUGMENTATION


def _log(ctx: Context, result: TrainingResult, validation: Split) -> None:
    from augment_ops.report.plots import learning_curve

    tags = {
        "augment_ops.model_digest": result.model_digest,
        "augment_ops.policy_digest": result.policy_digest,
        "augment_ops.snapshot_digest": result.snapshot_digest,
    }
    tracker, run = ctx.tracker, ctx.open_run(ctx.dataset, result.role, tags)
    plan, manifest = ctx.output("augment", Augmentation), ctx.snapshot.manifest
    for split in ("train", "validation"):
        log_input(ctx, run, manifest, split)
    tracker.log_params(
        run,
        {
            "role": result.role, "factory": result.factory, "parameters": result.parameters, "seed": result.seed,
            "epochs": plan.epochs, "batch_size": ctx.params.batch_size, "delivery": plan.mode,
            "workers": ctx.params.workers,
        },
    )  # fmt: skip
    names = (
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "samples_per_s",
        "data_wait_share",
    )
    points = [(name, getattr(entry, name), entry.epoch) for entry in result.curve for name in names]
    tracker.log_curve(run, points, once=True)  # a training that was killed while it logged has logged another speed
    totals = {name: getattr(result, name) for name in ("samples_per_s", "wall_s", "peak_rss_mb")}
    totals |= {name: value for name, value in asdict(result.delivery).items() if value is not None}
    tracker.log_metrics(run, {f"total.{name}": value for name, value in totals.items()}, once=True)
    tracker.log_bytes(run, learning_curve({result.role: result.curve}), "pictures/learning_curve.png")
    tracker.log_bytes(run, canonical_json(result), "training.json")
    example = validation.take(range(min(4, len(validation))))
    tracker.log_model(run, ctx.store.local(result.artifact), result.model_digest, example, manifest.classes)
    tracker.finish_run(run, "FINISHED")
    ctx.ledger.append(
        "train", ctx.run.actor, key=entry_key(ctx.run.id, "train", result.role),
        subjects={
            "model": result.model_digest, "artifact": result.artifact, "policy": result.policy_digest,
            "snapshot": result.snapshot_digest,
        },
        reason=f"{result.role} of run {ctx.run.id}",
    )  # fmt: skip


def _peak_rss_mb() -> float:
    # The trainer's peak and that of its largest worker, which it has waited for. Linux reports KiB.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + child) / 1024
