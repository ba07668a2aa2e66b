"""The tables and what is written into them. Every row carries a mark, `row-` and its number in ten digits, which the
probe finds in whatever form the row arrives."""

SEVEN_COLUMNS = "id bigint PRIMARY KEY, n int, amount numeric, note text, at timestamptz, flag bool, uid uuid"
ROW = ("g, g % 1000, g * 0.01, 'row-' || lpad(g::text, 10, '0'), now(), g % 2 = 0, gen_random_uuid()")


def table(name="bench", columns=SEVEN_COLUMNS):
    return f"CREATE TABLE {name} ({columns})"


def wide_table(columns=100):
    """A key, the mark, and as many as there are left of four kinds."""
    kinds = ("int", "bigint", "text", "timestamptz")
    more = ", ".join(f"c{number} {kinds[number % 4]}" for number in range(columns - 2))
    return f"CREATE TABLE bench (id bigint PRIMARY KEY, note text, {more})"


def wide_rows(rows, columns=100):
    values = ("g % 1000", "g * 1000003", "'value ' || g", "now()")
    more = ", ".join(values[number % 4] for number in range(columns - 2))
    return f"INSERT INTO bench SELECT g, 'row-' || lpad(g::text, 10, '0'), {more} FROM generate_series(1, {rows}) g"


def one_transaction(rows):
    return f"INSERT INTO bench SELECT {ROW} FROM generate_series(1, {rows}) g"


def small_transactions(rows):
    return f"DO $$ BEGIN FOR g IN 1..{rows} LOOP INSERT INTO bench VALUES ({ROW}); COMMIT; END LOOP; END $$"


def tables(count):
    return ["bench" if number == 0 else f"bench_{number}" for number in range(count)]


def transactions_over_tables(rows, count, size=10):
    """Each transaction writes `size` rows, each into the next table."""
    return (f"DO $$ BEGIN FOR g IN 1..{rows} LOOP "
            f"EXECUTE 'INSERT INTO bench' || CASE WHEN g % {count} = 0 THEN '' ELSE '_' || g % {count} END || "
            f"' SELECT {ROW.replace(chr(39), chr(39) * 2)} FROM (SELECT $1 AS g) x' USING g; "
            f"IF g % {size} = 0 THEN COMMIT; END IF; END LOOP; COMMIT; END $$")


DOCUMENTS = 1000
DOCUMENT_BYTES = 20_000


def toast_table():
    """Documents that are stored apart, and that no update below changes: the log leaves them out."""
    return ("CREATE TABLE bench (id bigint PRIMARY KEY, note text, document text); "
            "ALTER TABLE bench ALTER COLUMN document SET STORAGE EXTERNAL; "
            f"INSERT INTO bench SELECT g, 'none', repeat('x', {DOCUMENT_BYTES}) FROM generate_series(1, {DOCUMENTS}) g")


def toast_updates(rows):
    return (f"DO $$ BEGIN FOR g IN 1..{rows} LOOP UPDATE bench SET note = 'row-' || lpad(g::text, 10, '0') "
            f"WHERE id = 1 + g % {DOCUMENTS}; IF g % 10 = 0 THEN COMMIT; END IF; END LOOP; COMMIT; END $$")
