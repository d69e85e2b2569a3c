"""The TCI dimensions, 25 personas, 11 questions, matching natural sentences and models of the examples, as data."""
