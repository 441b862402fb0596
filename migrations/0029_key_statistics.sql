-- no-transaction
-- The new indexes are over expressions, of which the planner knows nothing yet. Here, where it blocks nobody.
analyze image_process_jobs;
