"""Kubeflow's compiler, told what to compile. Run as a script in the environment that `make kubeflow` makes.

There is nothing of this package there. A task is a function whose source kfp copies into the compiled file; each calls
`augment-ops` of its image, so that neither kfp's own packages nor a package registry are part of what a task does.
"""

from __future__ import annotations

import builtins
import inspect
import json
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# What it is given goes to the standard input: a command line is read by everybody, and has an end.
_TASK = """
def {name}({parameters}) -> str:
    given = dict(locals())
    import json
    import subprocess
    import sys

    done = subprocess.run({command}, input=json.dumps(given), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    return done.stdout.strip()
"""


def compile_blueprint(blueprint: Mapping[str, Any], output: str) -> None:
    """Write a pipeline.

    Args:
        blueprint: `Blueprint.plain()`.
        output: file that ends in .yaml.
    """
    from kfp import compiler, dsl

    begin, *stages = blueprint["tasks"]
    declared = {one["name"]: getattr(builtins, one["kind"]) for one in blueprint["parameters"]}

    def task_of(one: Mapping[str, Any], **given: Any) -> Any:
        component = dsl.component(base_image=blueprint["image"], install_kfp_package=False)(functions[one["name"]])
        task = component(**given).set_display_name(one["name"])
        task.set_caching_options(enable_caching=False)  # our keys find outputs again, and know when they may
        delay = f"{blueprint['retry_delay_s']}s"
        task.set_retry(num_retries=blueprint["retries"], backoff_duration=delay, backoff_factor=1)
        task.set_cpu_request(str(one["cpus"])).set_memory_request(f"{one['memory_gib']}Gi")
        for name, value in blueprint["environment"].items():
            task.set_env_variable(name, value)
        return task

    def wired(*values: Any) -> None:
        begun = task_of(begin, job=dsl.PIPELINE_JOB_ID_PLACEHOLDER, **dict(zip(declared, values, strict=True)))
        tasks = {begin["name"]: begun}
        for stage in stages:
            before = [tasks[name] for name in stage["after"]]
            tasks[stage["name"]] = task_of(stage, run_id=begun.output).after(*before)

    _described(wired, blueprint)
    with tempfile.TemporaryDirectory() as folder:  # where kfp reads the functions' source again
        sources = [_source(blueprint, begin["name"], {"job": str, **declared})]
        sources += [_source(blueprint, stage["name"], {"run_id": str}) for stage in stages]
        file = Path(folder) / "tasks.py"
        file.write_text("".join(sources))
        functions = runpy.run_path(str(file))
        compiler.Compiler().compile(dsl.pipeline(name=blueprint["name"])(wired), output)


def _source(blueprint: Mapping[str, Any], name: str, parameters: Mapping[str, type]) -> str:
    told = ", ".join(f"{parameter}: {kind.__name__}" for parameter, kind in parameters.items())
    command = ["augment-ops", "kubeflow", "task", name, "--stamp", blueprint["stamp"]]
    return _TASK.format(name=name, parameters=told, command=command)


def _described(wired: Callable[..., None], blueprint: Mapping[str, Any]) -> None:
    """Give a function the signature and the words of which kfp makes the parameters of a pipeline, and their form."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = [
        inspect.Parameter(one["name"], kind, default=one["default"], annotation=getattr(builtins, one["kind"]))
        for one in blueprint["parameters"]
    ]
    vars(wired)["__signature__"] = inspect.Signature(signature)
    helped = [f"    {one['name']}: {one['help']}" for one in blueprint["parameters"]]
    wired.__doc__ = "\n".join([blueprint["description"], "", "Args:", *helped])


if __name__ == "__main__":
    compile_blueprint(json.load(sys.stdin), sys.argv[1])
