-- Of a million answers a report reads these rows, not the whole table.
CREATE INDEX failure_by_batch ON failure (batch, code, status_code, retryable, key);

CREATE INDEX refreshed_answer ON answer (key, origin, generation) WHERE generation > 1;

CREATE INDEX alias_by_custom_id ON alias (custom_id, key);

CREATE INDEX cell_by_key ON cell (key, name);
