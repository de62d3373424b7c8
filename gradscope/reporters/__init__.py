"""One format a file, each with `render(report, out, ...)`."""
