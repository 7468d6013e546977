-- validated: the stored rows that are priced anew (grain: input_row).
SELECT v.* FROM stored_validated v JOIN arrivals a USING (input_row) WHERE a.door = 'on'
