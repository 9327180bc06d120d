"""# reddit_refresh

A month of Reddit's comments to conversations, a vocabulary, BERT pretraining records and a trained model.

It runs on the 1st of each month over the month before, or by hand with the form: every param has a description there.
With no params and no settings it refreshes the sample world, so that `airflow dags test reddit_refresh` works anywhere.

Every task writes one dataset under `THREADMILL_ROOT/reddit/MONTH/` and returns its URI. A task that is cleared, or killed and
retried, goes on from the shards that are done, and ends with the same digests. On platform gcp the same tasks run on BigQuery,
Dataflow and Cloud TPU, once their price is within the budget or has been approved.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, TaskGroup, chain

from operators import reddit
from operators.base import DEFAULT_ARGS
from operators.pretraining import EvaluateOperator, ExportOperator, MonthlyVocabularyOperator, RecordsOperator, TrainOperator
from operators.pricing import APPROVE, PRICE, ApproveCosts, PriceRedditRun
from operators.reddit_params import reddit_params
from operators.release import PublishOperator, ReportOperator
from operators.templates import planned, planned_list, returned

ASSETS = [Asset(name=name, uri=f"threadmill://reddit/{name}") for name in ("conversations", "records", "model")]

with DAG(
    "reddit_refresh",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 6 1 * *", timezone="UTC"),
    start_date=datetime(2006, 1, 1),
    catchup=False,
    max_active_runs=1,
    params=reddit_params(),
    default_args=DEFAULT_ARGS,
    tags=["threadmill", "reddit"],
) as dag:
    plan = reddit.PlanRedditMonth(task_id="plan", multiple_outputs=True, execution_timeout=timedelta(minutes=10))
    price, approve = PriceRedditRun(task_id=PRICE, execution_timeout=timedelta(minutes=10)), ApproveCosts(task_id=APPROVE)

    with TaskGroup("ingestion", tooltip="The month's dump to one table of comments", prefix_group_id=False):
        wait = reddit.RedditDumpSensor(
            task_id="wait_for_source", sources=planned_list("sources"), poke_interval=timedelta(minutes=10),
            timeout=timedelta(days=14),
        )  # fmt: skip
        ingest = reddit.IngestOperator(task_id="ingest", sources=planned_list("sources"), uri=planned("comments"))
        check_comments = reddit.CheckCommentsOperator(
            task_id="check_comments", comments=ingest.output, previous=planned("previous_comments")
        )

    with TaskGroup("examples", tooltip="Comments to threads, threads to context/response examples", prefix_group_id=False):
        threads = reddit.ThreadsOperator(
            task_id="threads", comments=planned("comments"), lookback=planned_list("lookback"), uri=planned("threads")
        )
        conversations = reddit.ConversationsOperator(
            task_id="conversations", threads=threads.output, uri=planned("conversations")
        )
        signatures = reddit.SignaturesOperator(
            task_id="signatures", conversations=conversations.output, uri=planned("signatures")
        )
        deduplicate = reddit.DeduplicateOperator(
            task_id="deduplicate", conversations=planned("conversations"), signatures=signatures.output,
            earlier=planned_list("earlier_signatures"), uri=planned("deduplicated"),
        )  # fmt: skip
        check = reddit.CheckConversationsOperator(
            task_id="check_conversations", conversations=deduplicate.output, previous=planned("previous_conversations")
        )

    with TaskGroup("pretraining", tooltip="Conversations to a vocabulary and records", prefix_group_id=False):
        vocabulary = MonthlyVocabularyOperator(
            task_id="vocabulary", corpus=returned("deduplicate"), month=planned("month"), uri=planned("vocabularies")
        )
        records = RecordsOperator(
            task_id="records", corpus=returned("deduplicate"), vocabulary=vocabulary.output, uri=planned("records")
        )

    with TaskGroup("training", tooltip="Records to a model: trained, measured, exported", prefix_group_id=False):
        train = TrainOperator(
            task_id="train", records=records.output, vocabulary=vocabulary.output, previous=planned("previous_model"),
            uri=planned("model"), execution_timeout=timedelta(days=7),
        )  # fmt: skip
        evaluate = EvaluateOperator(
            task_id="evaluate", model=train.output, records=records.output, uri=planned("evaluation"),
            execution_timeout=timedelta(days=7),
        )  # fmt: skip
        export = ExportOperator(task_id="export", model=train.output, evaluation=evaluate.output, uri=planned("export"))

    with TaskGroup("release", tooltip="The report, and the assets that other DAGs wait for", prefix_group_id=False):
        made = {name: planned(name) for name in ("comments", "threads", "records", "model", "evaluation")}
        made["conversations"] = returned("deduplicate")
        report = ReportOperator(
            task_id="report", datasets={**made, "vocabulary": vocabulary.output}, lookback=planned_list("lookback"),
            earlier=planned_list("earlier_conversations"), uri=planned("report"),
        )  # fmt: skip
        publish = PublishOperator(task_id="publish", datasets={asset.name: made[asset.name] for asset in ASSETS}, assets=ASSETS)

    chain(
        plan, price, approve, wait, ingest, check_comments, threads, conversations, signatures, deduplicate, check,
        vocabulary, records, train, evaluate, export, report, publish,
    )  # fmt: skip
