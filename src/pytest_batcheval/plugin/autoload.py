"""The entry point: not the plugin's own module, which `-p pytest_batcheval.plugin` may have registered already."""

pytest_plugins = ["pytest_batcheval.plugin"]
