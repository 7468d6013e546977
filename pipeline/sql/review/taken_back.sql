-- taken_back: one row per discharge whose reversal is in the same input (grain: input_row); both come to nothing.
SELECT DISTINCT original_row AS input_row FROM counted
