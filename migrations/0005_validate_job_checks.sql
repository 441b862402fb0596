-- Apart from the file that adds them: validation reads the whole table, but holds no lock that stops writers.
alter table image_process_jobs validate constraint completed_is_whole;
alter table image_process_jobs validate constraint failed_says_why;
alter table image_process_jobs validate constraint completed_after_created;
alter table image_process_jobs validate constraint sizes_not_negative;
alter table image_process_jobs validate constraint error_message_is_a_sentence;
