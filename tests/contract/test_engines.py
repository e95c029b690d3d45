"""What every engine must keep, over every engine there is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models.engines import ENGINES, Engine, open_engine
from katydid.models.engines.placeholder import PlaceholderGraph
from katydid.models.engines.rows import by_item
from katydid.models.errors import EngineError, MissingExtra
from katydid.models.manifest import Graph
from tiny_graphs import onnx_sound, tflite_dense, weights

SAMPLES, CLASSES = 64, 7
LAYER = weights(SAMPLES, CLASSES)


@dataclass(frozen=True)
class Case:
    """One graph that takes float32 [n, 64] and gives [n, 7]."""

    engine: str
    data: Callable[[], bytes]
    input: str
    scores: str
    max_batch: int = 32

    def open(self, *, slots: int = 1) -> Engine:
        graph = Graph(file="graph", engine=self.engine, input=self.input, scores=self.scores, max_batch=32)
        return open_engine(self.data(), graph, slots=slots, name="a bundle: graph")


def _placeholder() -> bytes:
    return msgspec.json.encode(PlaceholderGraph(item_shape=(SAMPLES,), dtype="float32", classes=CLASSES))


CASES = {
    "onnx": Case("onnx", lambda: onnx_sound(SAMPLES, LAYER), "samples", "logits"),
    "onnx, batch fixed to 1": Case("onnx", lambda: onnx_sound(SAMPLES, LAYER, batch=1), "samples", "logits", 1),
    "litert": Case("litert", lambda: tflite_dense(LAYER), "samples", "scores"),
    "litert, batch fixed to 1": Case("litert", lambda: tflite_dense(LAYER, batch_open=False), "samples", "scores", 1),
    "litert, no batch axis": Case("litert", lambda: tflite_dense(LAYER, batched=False), "samples", "scores", 1),
    "placeholder": Case("placeholder", _placeholder, "input", "scores"),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    if found.engine == "onnx":
        pytest.importorskip("onnx", reason="the ONNX graphs of the tests are made with the package onnx (extra dev)")
    return found


def items(count: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, SAMPLES)).astype(np.float32)


def floats(array: NDArray[np.generic]) -> NDArray[np.float32]:
    assert array.dtype == np.float32
    return array.astype(np.float32)


def run(engine: Engine, case: Case, batch: NDArray[np.floating]) -> NDArray[np.float32]:
    step = engine.max_batch
    parts = [
        floats(engine.infer({case.input: batch[at : at + step]})[case.scores]) for at in range(0, len(batch), step)
    ]
    return np.concatenate(parts)


def test_every_engine_of_the_table_is_in_this_suite() -> None:
    assert {case.engine for case in CASES.values()} == set(ENGINES)


def test_one_by_one_gives_what_a_batch_of_32_gives(case: Case) -> None:
    engine, batch = case.open(), items(32)
    single = np.concatenate([floats(engine.infer({case.input: batch[n : n + 1]})[case.scores]) for n in range(32)])
    together = run(engine, case, batch)
    assert together.shape == (32, CLASSES)
    np.testing.assert_allclose(single, together, atol=1e-5, rtol=0)


def test_a_dense_layer_is_what_numpy_says_it_is(case: Case) -> None:
    if case.engine == "placeholder":
        pytest.skip("the placeholder multiplies nothing")
    batch = items(5)
    np.testing.assert_allclose(run(case.open(), case, batch), batch @ LAYER, atol=1e-5, rtol=0)


def test_batches_of_changing_size_do_not_disturb_each_other(case: Case) -> None:
    engine, batch = case.open(), items(32)
    whole = run(engine, case, batch)
    for size in (1, 7, 32, 2, 31):
        np.testing.assert_allclose(run(engine, case, batch[:size]), whole[:size], atol=1e-5, rtol=0)


def test_as_many_threads_as_slots_get_their_own_answers(case: Case) -> None:
    engine = case.open(slots=4)
    assert engine.slots == 4
    batches = [items(8, seed) for seed in range(24)]
    expected = [run(engine, case, batch) for batch in batches]
    together = threading.Barrier(4)

    def work(first: int) -> list[NDArray[np.float32]]:
        together.wait(timeout=60)
        return [run(engine, case, batch) for batch in batches[first::4]]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    for first, answers in enumerate(found):
        for answer, right in zip(answers, expected[first::4], strict=True):
            np.testing.assert_allclose(answer, right, atol=1e-5, rtol=0)


def test_more_threads_than_slots_wait_their_turn(case: Case) -> None:
    engine, batches = case.open(slots=1), [items(4, seed) for seed in range(12)]
    expected = [run(engine, case, batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: run(engine, case, batch), batches))
    np.testing.assert_allclose(np.stack(found), np.stack(expected), atol=1e-5, rtol=0)


def test_it_says_what_really_runs(case: Case) -> None:
    running = case.open().describe()
    provider = {"onnx": "CPUExecutionProvider", "litert": "XNNPACK", "placeholder": "hash"}[case.engine]
    assert (running.engine, running.provider, running.threads) == (case.engine, provider, 1)
    assert running.version


def test_it_says_how_many_items_a_run_takes(case: Case) -> None:
    assert case.open().max_batch == case.max_batch


def test_ports_carry_the_shapes_of_the_graph(case: Case) -> None:
    engine = case.open()
    assert engine.inputs[case.input].shape[-1] == SAMPLES
    assert engine.inputs[case.input].dtype == "float32"
    assert engine.outputs[case.scores].shape[-1] == CLASSES


def test_a_batch_over_the_limit_or_empty_is_an_engine_error_with_the_name(case: Case) -> None:
    engine = case.open()
    for count in (0, engine.max_batch + 1):
        with pytest.raises(EngineError, match="a bundle: graph"):
            engine.infer({case.input: items(count)})


def test_a_wrong_shape_or_input_is_an_engine_error_and_the_engine_goes_on(case: Case) -> None:
    engine = case.open()
    if case.engine != "placeholder":
        with pytest.raises(EngineError, match="a bundle: graph"):
            engine.infer({case.input: np.zeros((1, SAMPLES + 1), np.float32)})
    with pytest.raises(EngineError, match="a bundle: graph"):
        engine.infer({"no such input": items(1)})
    assert run(engine, case, items(3)).shape == (3, CLASSES)


def test_rows_that_nobody_can_give_back_to_their_items_are_an_engine_error() -> None:
    """A graph that gives several rows for each item runs one item at a time; in a batch its rows are anybody's."""
    rows = np.zeros((12, CLASSES), np.float32)
    assert by_item(rows, 12, "g").shape == (12, CLASSES)
    assert by_item(rows, 1, "g").shape == (1, 12, CLASSES)
    with pytest.raises(EngineError, match=r"g: 3 items went in, an output of shape \(12, 7\) came out"):
        by_item(rows, 3, "g")


@pytest.mark.parametrize("word", ENGINES)
def test_rubbish_instead_of_a_graph_is_an_engine_error(word: str) -> None:
    graph = Graph(file="graph", engine=word, input="x", scores="y")
    for rubbish in (b"", b"rubbish", bytes(1000)):
        with pytest.raises(EngineError, match="a bundle: graph"):
            open_engine(rubbish, graph, slots=1, name="a bundle: graph")


def test_an_unknown_word_and_no_slot_are_engine_errors() -> None:
    with pytest.raises(EngineError, match="no engine 'abacus'; there are litert, onnx, placeholder"):
        open_engine(b"", Graph(file="g", engine="abacus", input="x", scores="y"), slots=1, name="g")
    with pytest.raises(EngineError, match="at least one slot"):
        open_engine(b"", Graph(file="g", engine="onnx", input="x", scores="y"), slots=0, name="g")


@pytest.mark.parametrize(
    ("word", "module", "package"),
    [("onnx", "onnxruntime", "onnxruntime"), ("litert", "ai_edge_litert", "ai-edge-litert")],
)
def test_an_absent_library_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, word: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"katydid.models.engines.{word}", raising=False)
    with pytest.raises(MissingExtra, match=f"needs the package '{package}': pip install {package}"):
        open_engine(b"", Graph(file="g", engine=word, input="x", scores="y"), slots=1, name="g")


def test_a_program_may_add_an_engine_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "mine", ENGINES["placeholder"])
    graph = Graph(file="g", engine="mine", input="input", scores="scores", max_batch=4)
    assert open_engine(_placeholder(), graph, slots=1, name="g").max_batch == 4


def test_closing_lets_go_and_can_be_done_twice(case: Case) -> None:
    engine = case.open(slots=2)
    run(engine, case, items(2))
    engine.close()
    engine.close()


def test_the_placeholder_sees_the_bytes_of_the_item_and_nothing_else() -> None:
    engine, batch = CASES["placeholder"].open(), items(6)
    turned = engine.infer({"input": batch[::-1]})["scores"][::-1]
    np.testing.assert_array_equal(engine.infer({"input": batch})["scores"], turned)
    changed = batch.copy()
    changed[2, 5] += 1e-3
    differs = np.any(engine.infer({"input": changed})["scores"] != turned, axis=1)
    assert differs.tolist() == [False, False, True, False, False, False]


def test_the_placeholder_sees_nothing_in_silence() -> None:
    engine = CASES["placeholder"].open()
    assert not engine.infer({"input": np.zeros((2, SAMPLES), np.float32)})["scores"].any()
