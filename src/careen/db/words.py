"""What statements of this package say and PostgreSQL does not know by itself."""

WORDS = """
-- SQLite's own functions, as far as statements use them.
CREATE OR REPLACE FUNCTION instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT strpos($1, $2) $$;
CREATE OR REPLACE FUNCTION json_each(text) RETURNS TABLE (value text) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT * FROM json_array_elements_text($1::json) $$;
-- Of '$.name', without what stands for the whole.
CREATE OR REPLACE FUNCTION json_extract(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT $1::json ->> substr($2, 3) $$;
CREATE OR REPLACE FUNCTION json_of_texts(text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_to_json($1)::text $$;
CREATE OR REPLACE AGGREGATE json_group_array(text)
    (sfunc = array_append, stype = text[], initcond = '{}', finalfunc = json_of_texts);

-- Ids of manifests, all over the index and not at its end. Two transactions that read and write on one page of an index are in
-- conflict, and every push reads and writes what it has just given an id. It is its own inverse.
CREATE OR REPLACE FUNCTION spread(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT reverse($1::bit(62)::text)::bit(62)::bigint $$;

-- Ids of events. Transactions end in another order than their ids were drawn in, and who follows the log must not miss an event of
-- one that ends late. So an id begins with the transaction's own, and what is older than every transaction under way is settled:
-- nothing lower will come (PostgreSQL, "System Information Functions": pg_snapshot_xmin). The shift is for rows that were brought
-- to another server, whose transactions have lower ids: events go on where they were. A transaction has room for a million.
CREATE OR REPLACE FUNCTION event_shift() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT coalesce((SELECT content::bigint FROM registry_documents WHERE kind = 'event-shift'), 0) $$;
CREATE OR REPLACE FUNCTION next_event() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (pg_current_xact_id()::text::bigint + event_shift()) * 1048576
        + set_config('careen.events',
            (coalesce(nullif(current_setting('careen.events', true), ''), '0')::bigint + 1)::text, true)::bigint $$;
CREATE OR REPLACE FUNCTION settled_events() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + event_shift()) * 1048576 $$;
"""
"""May be said again: a later version changes what it has to."""

FOUNDING = """
ALTER TABLE events ALTER COLUMN id SET DEFAULT next_event();
ALTER TABLE manifests ALTER COLUMN id SET DEFAULT spread(nextval('manifests_id_seq'));
-- SQLite reads the few rows there are; here, who reads all of a table is in conflict with everybody who writes to it.
CREATE INDEX ix_access_keys_principal_id ON access_keys (principal_id);
"""
"""What the description of the tables has no words for."""

_LAST = "(SELECT greatest((SELECT max(id) FROM events), (SELECT max(cursor) FROM webhooks)) AS last) AS known"

SHIFT = (
    "INSERT INTO registry_documents (kind, content)"
    f" SELECT 'event-shift', (event_shift() + (last - next_event()) / 1048576 + 1)::text FROM {_LAST}"
    " WHERE last >= next_event() ON CONFLICT (kind) DO UPDATE SET content = excluded.content"
)
"""Said when rows have come from elsewhere. Nothing happens where events go on after the last one anyway."""

CAME_FROM_ELSEWHERE = (
    "SELECT coalesce(last >= (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + event_shift()) * 1048576, false)"
    f" FROM {_LAST}"
)
"""Whether an event has an id that no transaction of this server can have given: the rows are another's, from a dump."""
