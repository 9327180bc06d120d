"""# text_corpus

Any text to a corpus of sentences, a vocabulary, pretraining records and a trained model.

It runs by hand, with the form: a recipe (BERT's, QARiB's for Arabic tweets, Allegro's for product reviews) fills in every setting
that is left empty. With no params and no settings it takes the comments of the sample world, so that
`airflow dags test text_corpus` works anywhere.

Every task writes one dataset under `THREADMILL_ROOT/text/NAME/` and returns its URI. A task that is cleared, or killed and
retried, goes on from the shards that are done, and ends with the same digests.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, TaskGroup, chain

from operators.base import DEFAULT_ARGS
from operators.pretraining import EvaluateOperator, ExportOperator, RecordsOperator, TrainOperator, VocabularyOperator
from operators.pricing import APPROVE, PRICE, ApproveCosts, PriceTextRun
from operators.release import PublishOperator, TextReportOperator
from operators.templates import planned, planned_list
from operators.text import CorpusOperator, PlanTextCorpus
from operators.text_params import text_params

ASSETS = [Asset(name=f"text_{name}", uri=f"threadmill://text/{name}") for name in ("corpus", "records", "model")]

with DAG(
    "text_corpus",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2006, 1, 1),
    catchup=False,
    max_active_runs=1,
    params=text_params(),
    default_args=DEFAULT_ARGS,
    tags=["threadmill", "text"],
) as dag:
    plan = PlanTextCorpus(task_id="plan", multiple_outputs=True, execution_timeout=timedelta(minutes=10))
    price = PriceTextRun(task_id=PRICE, execution_timeout=timedelta(minutes=10))
    approve = ApproveCosts(task_id=APPROVE)

    with TaskGroup("ingestion", tooltip="Text of any kind to one corpus of sentences", prefix_group_id=False):
        corpus = CorpusOperator(task_id="corpus", sources=planned_list("sources"), uri=planned("corpus"))

    with TaskGroup("pretraining", tooltip="The corpus to a vocabulary and records", prefix_group_id=False):
        vocabulary = VocabularyOperator(task_id="vocabulary", corpus=corpus.output, uri=planned("vocabulary"))
        records = RecordsOperator(task_id="records", corpus=corpus.output, vocabulary=vocabulary.output, uri=planned("records"))

    with TaskGroup("training", tooltip="Records to a model: trained, measured, exported", prefix_group_id=False):
        train = TrainOperator(
            task_id="train", records=records.output, vocabulary=vocabulary.output, uri=planned("model"),
            execution_timeout=timedelta(days=30),
        )  # fmt: skip
        evaluate = EvaluateOperator(
            task_id="evaluate", model=train.output, records=records.output, uri=planned("evaluation"),
            execution_timeout=timedelta(days=7),
        )  # fmt: skip
        export = ExportOperator(task_id="export", model=train.output, evaluation=evaluate.output, uri=planned("export"))

    with TaskGroup("release", tooltip="The report, and the assets that other DAGs wait for", prefix_group_id=False):
        made = {name: planned(name) for name in ("corpus", "vocabulary", "records", "model", "evaluation")}
        report = TextReportOperator(task_id="report", datasets=made, uri=planned("report"))
        published = {asset.name: made[asset.name.removeprefix("text_")] for asset in ASSETS}
        publish = PublishOperator(task_id="publish", datasets=published, assets=ASSETS)

    chain(plan, price, approve, corpus, vocabulary, records, train, evaluate, export, report, publish)
