#!/usr/bin/env python3
"""Predictor-guided evolution on NAS-Bench-201, with nothing but grpcio and the proto files.

    pip install grpcio grpcio-tools
    tagates serve                                        # in another shell
    python examples/search/search.py --table TABLE.csv   # columns arch and c10_test_200

Starts with an empty task of its own: trains a few random cells, records what they reached, and from then on
lets the server rank thousands of candidates for each batch that it trains. The server retrains in the
background and promotes better models; the next Predict is answered by them. "Training" is a look-up in the
table, or without --table a SIMULATED accuracy, which says nothing about real networks. Random search and
regularised evolution (Real et al., 2019) run beside it, on the same budget.
"""
import argparse
import csv
import itertools
import math
import pathlib
import random
import statistics
import sys
import time
import uuid

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
sys.path.insert(0, str(PROTO))
pb = {name: grpc.protos_and_services(f"tagates/v1/{name}.proto")
      for name in ("architecture", "task", "predictor", "observation", "training")}

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
N_EDGES, BUDGET = 6, 200


def text(cell):
    """A cell, one operation for each edge, in the notation of the search space."""
    a, b, c, d, e, f = cell
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def mutated(cell, rng):
    """Another operation on one edge."""
    edge = rng.randrange(N_EDGES)
    other = rng.choice([operation for operation in OPERATIONS if operation != cell[edge]])
    return cell[:edge] + (other,) + cell[edge + 1:]


class Oracle:
    """What training a cell would give, and the best that was found after each look-up."""

    def __init__(self, accuracies):
        self.accuracies, self.seen = accuracies, {}

    def train(self, cell):
        self.seen.setdefault(cell, self.accuracies[cell])
        return self.seen[cell]

    def new(self, cells):
        """Those that can be trained and were not, in an order that is the same each time."""
        return sorted(cell for cell in cells if cell in self.accuracies and cell not in self.seen)

    def best_after(self, n):
        return max(itertools.islice(self.seen.values(), n))


def accuracies(table):
    """Of all cells of the table, in percent; SIMULATED where there is none."""
    if table is None:
        worth = dict(zip(OPERATIONS, (-9, 1, 3, 5, 0)))
        noise = random.Random(0)
        return {cell: 95 / (1 + math.exp(-(sum(map(worth.get, cell)) + noise.gauss(0, 1)) / 6))
                for cell in itertools.product(OPERATIONS, repeat=N_EDGES)}
    with open(table, newline="") as rows:
        return {tuple(part.split("~")[0] for part in row["arch"].replace("+", "").split("|") if part):
                float(row["c10_test_200"]) for row in csv.DictReader(rows)}


class Predictor:
    """A task of its own on the server: told what was measured, asked what to try."""

    def __init__(self, server):
        channel = grpc.insecure_channel(server)
        self.tasks, self.predictor, self.observations, self.training = (
            getattr(pb[module][1], f"{service}ServiceStub")(channel) for module, service in
            (("task", "Task"), ("predictor", "Predictor"), ("observation", "Observation"), ("training", "Training")))
        # Few rows cannot show that a model is not worse, and every batch makes the next one better: whichever ranks
        # better on the holdout is taken. A service that others rely on keeps the default margin.
        task, gate = pb["task"][0], pb["task"][0].GateMargins(min_holdout=5, max_tau_loss=1)
        self.name = f"search-{uuid.uuid4().hex[:12]}"
        policy = task.RetrainingPolicy(min_observations=20, min_new_observations=10, min_new_share=0, cool_down_s=0, gate=gate)
        self.tasks.CreateTask(task.CreateTaskRequest(task=task.Task(
            name=self.name, search_space="nasbench201", dataset="cifar10", metric="test_accuracy", goal="GOAL_MAXIMIZE",
            unit="UNIT_PERCENT", budgets=[BUDGET], holdout_share=0.3, retraining_policy=policy)))

    def record(self, values):
        module = pb["observation"][0]
        reply = self.observations.RecordObservations(module.RecordObservationsRequest(observations=[
            module.Observation(task=self.name, architecture={"text": text(cell)}, budget=BUDGET, value=value)
            for cell, value in values.items()]))
        failed = [result.error.message for result in reply.results if result.HasField("error")]
        assert not failed, failed[0]

    def ranked(self, cells):
        """The cells, the most promising first; None while there is no model yet."""
        module = pb["predictor"][0]
        try:
            reply = self.predictor.Predict(module.PredictRequest(
                task=self.name, architectures=[{"text": text(cell)} for cell in cells]))
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
                return None
            raise
        assert all(result.HasField("prediction") for result in reply.results), reply.results
        scores = [result.prediction.score for result in reply.results]
        return [cell for _, cell in sorted(zip(scores, cells), reverse=True)]

    def settle(self):
        """Waits for the run that the last observations made due. Real training would take far longer than this."""
        module = pb["training"][0]
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            runs = self.training.ListTrainingRuns(module.ListTrainingRunsRequest(task=self.name)).runs
            if runs and not runs[0].HasField("finished_at"):
                list(self.training.WatchTrainingRun(module.WatchTrainingRunRequest(run=runs[0].run)))
                return
            time.sleep(0.1)

    def close(self):
        """Nothing more is recorded, so nothing more is trained."""
        self.tasks.ArchiveTask(pb["task"][0].ArchiveTaskRequest(name=self.name))


def guided(oracle, n_lookups, rng, server, n_initial=20, batch=5, n_parents=3, n_candidates=1000):
    predictor, cells = Predictor(server), list(oracle.accuracies)
    chosen = rng.sample(cells, n_initial)
    while True:
        predictor.record({cell: oracle.train(cell) for cell in chosen})
        if len(oracle.seen) >= n_lookups:
            return predictor.close()
        predictor.settle()
        parents = sorted(oracle.seen, key=oracle.seen.get, reverse=True)[:n_parents]
        children = {mutated(rng.choice(parents), rng) for _ in range(n_candidates)}
        ranked = predictor.ranked(oracle.new(children | set(rng.sample(cells, n_candidates))))
        if ranked is None:  # Evolution, until there is a model to rank by.
            ranked = rng.sample(oracle.new(children), batch)
        chosen = ranked[:min(batch, n_lookups - len(oracle.seen))]


def random_search(oracle, n_lookups, rng, _):
    for cell in rng.sample(list(oracle.accuracies), n_lookups):
        oracle.train(cell)


def regularised_evolution(oracle, n_lookups, rng, _, n_population=20, n_sample=5):
    population = rng.sample(list(oracle.accuracies), n_population)
    for cell in population:
        oracle.train(cell)
    while len(oracle.seen) < n_lookups:
        parent = max(rng.sample(population, n_sample), key=oracle.seen.get)
        child = mutated(parent, rng)
        if child in oracle.accuracies:
            oracle.train(child)
            population = population[1:] + [child]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--table", help="CSV with columns arch and c10_test_200; without it accuracies are SIMULATED")
    parser.add_argument("--lookups", type=int, default=150)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    known = accuracies(arguments.table)
    print("accuracies are", "those of the table" if arguments.table else "SIMULATED", f"; best of all {max(known.values()):.2f}")
    marks = [n for n in range(10, arguments.lookups + 1, 10)]
    print("best found, mean of", arguments.runs, "runs, after look-ups", *marks)
    for search in (guided, regularised_evolution, random_search):
        oracles = [Oracle(known) for _ in range(arguments.runs)]
        for seed, oracle in enumerate(oracles):
            search(oracle, arguments.lookups, random.Random(seed), arguments.server)
        print(f"{search.__name__:22}", *(f"{statistics.mean(o.best_after(n) for o in oracles):.2f}" for n in marks), flush=True)


if __name__ == "__main__":
    main()
