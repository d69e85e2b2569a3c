"""The SQL of reports, by name: counts over the whole journal, and what ended batches failed with."""

RUNS = "SELECT id, started, origin, base_url, argv FROM run ORDER BY started, rowid"

# With one min(), SQLite takes the other columns from the row that has it.
FAILURE_COUNTS = """
SELECT batch, code, status_code, count(*), min(key), message, retryable FROM failure
GROUP BY batch, code, status_code, retryable
"""

# A key that is sent again has a higher attempt, so batches without an earlier one of a lower attempt are not looked at;
# CROSS JOIN keeps SQLite from beginning with the claims.
REPEATED_COUNTS = """
SELECT claim.batch, count(*) FROM batch CROSS JOIN claim ON claim.batch = batch.id
WHERE EXISTS (
    SELECT 1 FROM batch AS earlier
    WHERE earlier.run = batch.run AND earlier.id < batch.id AND earlier.attempt < batch.attempt
) AND EXISTS (
    SELECT 1 FROM claim AS older JOIN batch AS earlier ON earlier.id = older.batch
    WHERE older.origin = claim.origin AND older.key = claim.key AND earlier.run = batch.run AND earlier.id < batch.id
)
GROUP BY claim.batch
"""

ADD_STAGE = """
INSERT INTO stage (run, wave, name, wall, cpu, memory, sent, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

STAGES = "SELECT run, wave, name, wall, cpu, memory, sent, received FROM stage"

ENDED_BATCHES = "SELECT id FROM batch WHERE state IN ('settled', 'void', 'lost') ORDER BY id"

# A batch that ended as a whole without answers has one row at least.
TROUBLE_OF_BATCH = """
SELECT batch.run, batch.batch_id, batch.attempt, batch.state, batch.note,
    failure.key, failure.code, failure.message, failure.status_code, failure.retryable
FROM batch LEFT JOIN failure ON failure.batch = batch.id
WHERE batch.id = ? AND (failure.key IS NOT NULL OR batch.state <> 'settled')
ORDER BY failure.key
"""
