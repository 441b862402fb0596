-- A path as a short key that keeps neighbours together: two bytes of the folder, two of all but the last eight characters,
-- three of those. A run goes through a folder in order, so it changes few pages of an index over this; keys that are
-- random change one page each, and after a checkpoint each such page is written to the WAL as a whole. Whoever looks for a
-- path compares the path as well. It calls nothing of ours: an index is restored with nothing on the search_path.
create function source_key(path text) returns bytea language sql immutable parallel safe
  returns null on null input as $$
  select decode(substr(md5(left(path, -length(regexp_replace(path, '^.*[/\\]', '')))), 1, 4)
    || substr(md5(left(path, -8)), 1, 4) || substr(md5(right(path, 8)), 1, 6), 'hex')
$$;
