"""The intact files from which the fuzzer makes mutants."""

import shutil
from pathlib import Path
from typing import Any


def make_bases(root: Path) -> None:
    """Write the intact folders from which mutants are made."""
    import maxent
    from maxent import recipes
    from maxent.findings import Finding
    from maxent.nn.layers import BatchNorm, Linear, ReLU, Residual
    from maxent.runs.findings import FindingsSink

    small: dict[str, Any] = {
        "hidden": (4,), "batch_size": 4, "learning_starts": 10, "eval_episodes": 1, "compile": "off", "verbose": False,
    }  # fmt: skip
    steps = {"eval_every": 30, "log_every": 20, "checkpoint_every": 25}
    replay = {"buffer_size": 200, "replay": "prioritized"}
    agents = {
        "sac": maxent.SAC("Pendulum-v1", seeds=2, norm_obs=True, **small, **steps, **replay),
        "dqn": maxent.DQN("CartPole-v1", num_envs=2, **small, **steps, buffer_size=40),
        "reinforce": maxent.Reinforce("CartPole-v1", rollout_steps=8, num_envs=2, **{
            name: one for name, one in small.items() if name not in ("batch_size", "learning_starts")}, **steps),
    }  # fmt: skip
    for name, agent in agents.items():
        agent.learn(60, run_dir=root / name)
        shutil.rmtree(root / name / "tensorboard")  # written and never read
        (root / name / "curve.png").unlink()
        agent.close()
    layers = (Linear(4), Residual((BatchNorm(), Linear(4), ReLU())))
    del small["hidden"]
    agent = maxent.SAC(
        "maxent/PointReach-v0", network=layers, replay="hindsight", eval_every=0, **small, buffer_size=200
    )
    agent.learn(30)
    agent.save(root / "saved")
    agent.close()
    shutil.copytree(root / "sac" / "best", root / "policy")
    (root / "findings").mkdir()
    sink = FindingsSink(root / "findings" / "findings.json")
    for rule in ("dead-units", "alpha-runs-away"):
        sink.on_finding(Finding(rule, "warning", "what was found", "how: 0.5", "why it matters", "what to do"), 10)
    make_foreign(root / "foreign")
    (root / "recipe").mkdir()
    for recipe in recipes.all_recipes()[::8]:
        source = Path(recipes.__file__).parent / recipe.path
        shutil.copy(source, root / "recipe" / recipe.path.replace("/", "-"))


def make_foreign(folder: Path) -> None:
    """Write files of curves as other libraries write them."""
    from foreign_files import TRACKIO_CHART, WANDB_CHART, write_evaluations, write_events

    write_evaluations(folder / "sac" / "Pendulum-v1_1" / "evaluations.npz", [100, 200], [[1.0, 2.0], [3.0, 4.0]])
    points = {"eval/mean_reward": [(100, 1.0, 1.0), (200, 2.0, 2.0)], "charts/episodic_return": [(50, 0.5, 0.5)]}
    settings = {"exp_name": "sac", "env_id": "Hopper-v4", "seed": 1, "gamma": 0.99}
    write_events(folder / "events", points, settings, name="events.out.tfevents.1.host")
    rows = [
        f'{algo},A-v1,{seed},{step},{step / 9},"{{""a"": 1}}"' for algo in "xy" for seed in (0, 1) for step in (1, 2)
    ]
    (folder / "curves.csv").write_text("\n".join(["algorithm,env,seed,step,return,settings", *rows, ""]))
    (folder / "wandb.csv").write_text(WANDB_CHART.replace('"', ""))
    (folder / "trackio.csv").write_text(TRACKIO_CHART)
    (folder / "scores.csv").write_text("env,random,reference\nA-v1,0,1\n")
