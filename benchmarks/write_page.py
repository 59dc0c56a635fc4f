"""Write docs/benchmarks.md from the file of results: ``python benchmarks/write_page.py``."""

from common.record import PAGE, arguments, page, read

from nullsight.storage import write_atomically


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--page", default=PAGE)
    chosen = options.parse_args(words)
    write_atomically(chosen.page, page(read(chosen.results)))
    print(f"wrote {chosen.page}")


if __name__ == "__main__":
    main()
