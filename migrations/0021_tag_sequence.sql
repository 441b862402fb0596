-- Until now every tagging drew a value, whether the tag was there or not, and there are no more than 2^31 - 1. The
-- values that no tag has are given back.
lock table tags in share row exclusive mode;
select setval('tags_tag_id_seq', coalesce(max(tag_id), 1), count(*) > 0) from tags;
