DROP FUNCTION twice(int);
