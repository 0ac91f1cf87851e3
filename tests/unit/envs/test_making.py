"""Environments from ids, instances and factories, and the error messages for those that cannot be made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest
from gymnasium.vector import SyncVectorEnv
from toy_envs import Counting, Drift

from maxent.envs.making import EnvSource, known_ids, nearest_ids
from maxent.errors import UserError


@pytest.fixture
def registered():
    """Registers environments for one test."""
    before = dict(gym.registry)
    yield gym.register
    gym.registry.clear()
    gym.registry.update(before)


class TestKinds:
    def test_an_id_with_arguments(self) -> None:
        source = EnvSource.of("Pendulum-v1", {"g": 3.0})
        assert (source.kind, source.name, source.can_make) == ("id", "Pendulum-v1", True)
        env = source.make()
        assert env.unwrapped.g == 3.0
        env.close()

    def test_a_render_mode(self) -> None:
        assert EnvSource.of("Pendulum-v1").make("rgb_array").render_mode == "rgb_array"

    def test_an_instance_is_made_again_from_its_spec(self) -> None:
        env = gym.wrappers.TimeLimit(gym.make("Pendulum-v1", g=3.0), 7)
        source = EnvSource.of(env)
        assert (source.kind, source.name, source.can_make) == ("instance", "Pendulum-v1", True)
        again = source.make()
        assert again is not env
        assert again.unwrapped.g == 3.0
        again.reset(seed=0)
        ends = [again.step(again.action_space.sample())[3] for _ in range(7)]
        assert ends == [False] * 6 + [True]

    def test_an_instance_without_a_spec_cannot_be_made_again(self) -> None:
        source = EnvSource.of(Counting(3))
        assert (source.name, source.can_make) == ("Counting", False)
        with pytest.raises(UserError, match="factory"):
            source.make()

    def test_an_instance_whose_wrapper_keeps_no_record(self) -> None:
        class Plain(gym.Wrapper):
            pass

        with pytest.raises(UserError, match=r"Plain.*factory"):
            EnvSource.of(Plain(gym.make("Pendulum-v1"))).make()

    def test_a_class_or_a_function(self) -> None:
        assert EnvSource.of(Drift).name == "Drift"
        assert EnvSource.of(lambda: Drift()).name == "environment"
        assert isinstance(EnvSource.of(Drift).make(), Drift)

    def test_a_factory_decides_how_it_renders(self) -> None:
        assert EnvSource.of(lambda: gym.make("Pendulum-v1", render_mode="rgb_array")).make("rgb_array") is not None
        with pytest.raises(UserError, match="render mode 'rgb_array', got None"):
            EnvSource.of(Drift).make("rgb_array")

    def test_a_factory_of_something_else(self) -> None:
        with pytest.raises(UserError, match=r"gymnasium\.Env, got a SyncVectorEnv"):
            EnvSource.of(lambda: SyncVectorEnv([Drift])).make()

    def test_a_vector_environment_is_taken_apart(self) -> None:
        source = EnvSource.of(SyncVectorEnv([Drift, Drift]))
        assert (source.kind, source.can_make) == ("vector", True)
        assert isinstance(source.make(), Drift)

    def test_a_wrapped_vector_environment_is_not(self) -> None:
        """Its wrappers change what a single environment does not."""
        source = EnvSource.of(gym.wrappers.vector.NormalizeObservation(SyncVectorEnv([Drift])))
        assert not source.can_make
        with pytest.raises(UserError, match="factory"):
            source.make()

    def test_anything_else(self) -> None:
        with pytest.raises(UserError, match="got a int"):
            EnvSource.of(3)

    def test_arguments_belong_to_an_id(self) -> None:
        with pytest.raises(UserError, match=r"\['g'\]"):
            EnvSource.of(Drift, {"g": 1})

    def test_a_namespace_makes_no_folder(self) -> None:
        assert EnvSource.of("dm_control/cheetah-run-v0").name == "dm_control-cheetah-run-v0"
        assert EnvSource.of("my_module:MyEnv-v0").name == "MyEnv-v0"


class TestJson:
    def test_round_trip(self) -> None:
        data = json.loads(json.dumps(EnvSource.of("Pendulum-v1", {"g": 3.0}).to_json()))
        again = EnvSource.from_json(data)
        assert (again.env_id, again.kwargs) == ("Pendulum-v1", {"g": 3.0})

    def test_what_is_no_data_has_none(self) -> None:
        assert EnvSource.of(Drift).to_json() is None
        assert EnvSource.of(Counting(3)).to_json() is None
        assert EnvSource.of("Pendulum-v1", {"g": object()}).to_json() is None


class TestFactory:
    def test_it_needs_no_registration_of_this_process(self, registered) -> None:
        registered("Passing-v0", entry_point=Drift, max_episode_steps=4, kwargs={"limit": 1.0})
        factory = EnvSource.of("Passing-v0", {"limit": 5.0}).factory()
        del gym.registry["Passing-v0"]
        env = factory()
        assert env.unwrapped.limit == 5.0
        assert env.spec.max_episode_steps == 4

    def test_a_user_s_factory_is_returned(self) -> None:
        assert EnvSource.of(Drift).factory() is Drift

    def test_mistakes_show_before_any_process_starts(self) -> None:
        with pytest.raises(UserError, match="Pendulum-v1"):
            EnvSource.of("Pendlum-v1").factory()


class TestMistakes:
    @pytest.mark.parametrize(
        ("wrong", "meant"),
        [
            ("Pendlum-v1", "Pendulum-v1"),
            ("pendulum-v1", "Pendulum-v1"),
            ("HalfCheetah-v9", "HalfCheetah-v5, HalfCheetah-v4"),
            ("HalfCheeta-v5", "HalfCheetah-v5"),
            ("LunarLanderContinous-v3", "LunarLanderContinuous-v3"),
        ],
    )
    def test_an_unknown_id_gets_the_nearest_ones(self, wrong: str, meant: str) -> None:
        with pytest.raises(UserError, match=f"got '{wrong}'; did you mean {meant}"):
            EnvSource.of(wrong).make()

    @pytest.mark.parametrize("wrong", ["Qwzx-v1", "not an id"])
    def test_an_id_like_no_other(self, wrong: str) -> None:
        with pytest.raises(UserError, match="maxent list envs"):
            EnvSource.of(wrong).make()

    @pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
    def test_an_id_that_has_moved_elsewhere(self) -> None:
        with pytest.raises(UserError, match="gymnasium-robotics"):
            EnvSource.of("HalfCheetah-v3").make()

    def test_an_old_version_warns_and_works(self, registered) -> None:
        registered("Old-v0", entry_point=Drift)
        registered("Old-v1", entry_point=Drift)
        with pytest.warns(DeprecationWarning, match="out of date"):
            assert EnvSource.of("Old-v0").make() is not None

    def test_a_module_that_does_not_exist(self) -> None:
        with pytest.raises(UserError, match="module 'no_such_module'"):
            EnvSource.of("no_such_module:MyEnv-v0").make()

    def test_a_module_that_registers(self, registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "my_arm.py").write_text(
            "import gymnasium\nfrom toy_envs import Drift\n"
            "gymnasium.register('Arm-v0', entry_point=Drift, max_episode_steps=9)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        assert EnvSource.of("my_arm:Arm-v0").make().spec.max_episode_steps == 9
        sys.modules.pop("my_arm")

    def test_an_argument_it_does_not_know(self) -> None:
        with pytest.raises(UserError, match=r"got \['gravity'\].*gravity"):
            EnvSource.of("Pendulum-v1", {"gravity": 1}).make()

    def test_an_error_inside_the_environment_is_not_hidden(self, registered) -> None:
        def broken():
            return 1 + "1"

        registered("Broken-v0", entry_point=broken)
        with pytest.raises(TypeError):
            EnvSource.of("Broken-v0").make()

    @pytest.mark.parametrize(
        ("raised", "sentence"),
        [
            (gym.error.DependencyNotInstalled("Box2D is not installed"), r'needs.*pip install "maxent\[box2d\]"'),
            (gym.error.DependencyNotInstalled("Foo is not installed"), "Foo is not installed"),
            (ModuleNotFoundError("No module named 'dm_control'", name="dm_control"), r'pip install "maxent\[dmc\]"'),
            (ModuleNotFoundError("No module named 'jax'", name="jax"), "pip install jax"),
        ],
    )
    def test_a_missing_package_comes_with_the_command(self, registered, raised: Exception, sentence: str) -> None:
        def needy():
            raise raised

        registered("Needy-v0", entry_point=needy)
        with pytest.raises(UserError, match=sentence):
            EnvSource.of("Needy-v0").make()

    @pytest.mark.parametrize(
        ("env_id", "command"),
        [("ALE/Pong-v5", "pip install ale-py"), ("my_robots/Arm-v0", "the package that registers it")],
    )
    def test_a_namespace_that_nobody_registers(self, env_id: str, command: str) -> None:
        with pytest.raises(UserError, match=command):
            EnvSource.of(env_id).make()


class TestLists:
    def test_ids_by_family(self) -> None:
        families = known_ids()
        assert "Pendulum-v1" in families["classic_control"]
        assert "HalfCheetah-v5" in families["mujoco"]
        assert "LunarLanderContinuous-v3" in families["box2d"]
        assert all(ids == sorted(ids) for ids in families.values())

    def test_names_that_only_say_where_they_went_are_left_out(self) -> None:
        assert "HalfCheetah-v2" in gym.registry
        assert not any("HalfCheetah-v2" in ids for ids in known_ids().values())

    def test_own_environments_are_listed(self, registered) -> None:
        registered("mine/Arm-v0", entry_point="my_arm:Arm")
        registered("Leg-v0", entry_point="my_leg.envs:Leg")
        assert known_ids()["mine"] == ["mine/Arm-v0"]
        assert known_ids()["my_leg"] == ["Leg-v0"]

    def test_the_newest_version_comes_first(self) -> None:
        assert nearest_ids("hopper")[:2] == ["Hopper-v5", "Hopper-v4"]


class TestNamedMakers:
    """ "module:name" of a function or a class that makes environments."""

    def test_a_function_with_arguments(self) -> None:
        env = EnvSource.of("tiny_world:make_tiny", {"length": 5}).make()
        assert (type(env).__name__, env.unwrapped.length) == ("Reaching", 5)

    def test_a_class_that_can_be_shown(self) -> None:
        env = EnvSource.of("tiny_world:Reaching").make("rgb_array")
        assert env.render_mode == "rgb_array"

    def test_one_that_cannot_be_shown(self) -> None:
        with pytest.raises(UserError, match=r"render mode 'rgb_array', got None; set it in the factory"):
            EnvSource.of("tiny_world:make_tiny").make("rgb_array")

    def test_in_another_process(self) -> None:
        assert type(EnvSource.of("tiny_world:make_tiny").factory()()).__name__ == "Reaching"

    def test_an_id_that_the_module_registers_comes_first(self) -> None:
        source = EnvSource.of("tiny_world:Tiny-v0")
        assert source.make().spec.id == "Tiny-v0"

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("tiny_world:nothing", "expected a function 'nothing' in the module 'tiny_world', which has none"),
            ("tiny_world:np", "expected a function 'np' in the module 'tiny_world'"),
            ("no_such_module:make", "expected a module 'no_such_module' that registers or makes the environment"),
            ("os.path:join", "expected arguments of the environment"),
            ("os:getcwd", "expected the factory to make a gymnasium.Env, got a str"),
        ],
    )
    def test_names_of_something_else(self, name: str, text: str) -> None:
        with pytest.raises(UserError, match=text):
            EnvSource.of(name).make()


@pytest.mark.parametrize("chosen", ["foo", "osmesa"])
def test_a_renderer_that_is_not_there(chosen: str) -> None:
    """mujoco reads MUJOCO_GL when it is imported, so another process tries; osmesa is not installed here."""
    code = "from maxent.envs.making import EnvSource; EnvSource.of('HalfCheetah-v5').make()"
    words = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(words, env={**os.environ, "MUJOCO_GL": chosen}, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        pytest.skip(f"MuJoCo draws with {chosen} here")
    assert f"MUJOCO_GL is '{chosen}': egl and osmesa draw without a screen" in found.stderr.splitlines()[-1]
