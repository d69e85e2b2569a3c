-- The round that asked, such as 2026-W48: each round asks every request once; empty outside any round.
ALTER TABLE batch ADD COLUMN round TEXT NOT NULL DEFAULT '';
