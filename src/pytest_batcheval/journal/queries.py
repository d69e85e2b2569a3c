"""The journal's SQL, by name. `{keys}` stands for a list of `?`."""

ADD_RUN = "INSERT INTO run (id, started, origin, base_url, argv) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

ADD_REQUEST = "INSERT INTO request (key, line) VALUES (?, ?) ON CONFLICT DO NOTHING"

ADD_CLAIM = "INSERT INTO claim (key, origin, batch) VALUES (?, ?, ?)"

CLOSE_CLAIMS = "UPDATE claim SET open = 0 WHERE batch = ?"

ADD_BATCH = """
INSERT INTO batch (run, origin, scope, endpoint, identity, attempt, generation, requests, file_name, state)
VALUES (:run, :origin, :scope, :endpoint, :identity, :attempt, :generation, :requests, :file_name, :state)
"""

UPDATE_BATCH = """
UPDATE batch
SET scope = :scope, state = :state, file_id = :file_id, batch_id = :batch_id, status = :status,
    completed = :completed, failed = :failed, output_file_id = :output_file_id,
    error_file_id = :error_file_id, note = :note
WHERE id = :id
"""

ADD_ANSWER = """
INSERT INTO answer (key, origin, generation, batch, attempt, line_id, response, crc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, origin, generation) DO NOTHING
"""

ADD_FAILURE = """
INSERT INTO failure (key, origin, batch, attempt, code, message, status_code, retryable)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, origin) DO UPDATE SET
    batch = excluded.batch, attempt = excluded.attempt, code = excluded.code,
    message = excluded.message, status_code = excluded.status_code, retryable = excluded.retryable
"""

DROP_ANSWERED_FAILURES = """
DELETE FROM failure
WHERE origin = :origin AND key IN (SELECT key FROM answer WHERE batch = :batch)
"""

BATCHES = "SELECT * FROM batch WHERE (:origin IS NULL OR origin = :origin) ORDER BY id"

KEYS_OF_BATCH = "SELECT key FROM claim WHERE batch = ? ORDER BY key"

LINES_OF_BATCH = """
SELECT request.line FROM claim JOIN request USING (key) WHERE claim.batch = ? ORDER BY key
"""

OPEN_CLAIMS = "SELECT key FROM claim WHERE open = 1 AND origin = ?"

# Oldest first: a dict built from it keeps the newest generation, or the newest batch of any origin.
ANSWERS = """
SELECT key, origin, line_id, response, crc FROM answer
WHERE key IN ({keys}) AND (? IS NULL OR origin = ?)
ORDER BY generation, batch
"""

FAILURES = """
SELECT key, code, message, status_code, retryable FROM failure
WHERE key IN ({keys}) AND origin = ?
  AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.key = failure.key AND answer.origin = failure.origin)
"""

GENERATIONS = "SELECT key, max(generation) FROM answer WHERE key IN ({keys}) AND origin = ? GROUP BY key"

RUN_ORIGIN = "SELECT origin FROM run WHERE id = ?"
