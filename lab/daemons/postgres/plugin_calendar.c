/* calendar: a set of days from the first of 2000 on, one bit each, in a bytea.
 *
 *	calendar_new(years)		an empty one
 *	calendar_add(calendar, day)	with a day more
 *	calendar_has(calendar, day)
 *	calendar_days(calendar)		how many days are in it
 */
#include <postgres.h>
#include <fmgr.h>
#include <utils/date.h>

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(calendar_new);
PG_FUNCTION_INFO_V1(calendar_add);
PG_FUNCTION_INFO_V1(calendar_has);
PG_FUNCTION_INFO_V1(calendar_days);

Datum calendar_new(PG_FUNCTION_ARGS)
{
	int32 years = PG_GETARG_INT32(0);
	Size size;
	bytea *calendar;

	if (years < 1 || years > 200)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("a calendar has from 1 to 200 years")));
	size = VARHDRSZ + ((Size)years * 366 + 7) / 8;
	calendar = palloc0(size);
	SET_VARSIZE(calendar, size);
	PG_RETURN_BYTEA_P(calendar);
}

/* A date is a number of days since the first of 2000 already. */
Datum calendar_add(PG_FUNCTION_ARGS)
{
	bytea *calendar = PG_GETARG_BYTEA_P_COPY(0);
	DateADT day = PG_GETARG_DATEADT(1);
	unsigned char *bits = (unsigned char *)VARDATA(calendar);

	if (day / 8 >= (int32)(VARSIZE(calendar) - VARHDRSZ))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("the calendar ends before that day")));
	bits[day / 8] |= 1 << (day & 7);
	PG_RETURN_BYTEA_P(calendar);
}

Datum calendar_has(PG_FUNCTION_ARGS)
{
	bytea *calendar = PG_GETARG_BYTEA_PP(0);
	DateADT day = PG_GETARG_DATEADT(1);
	const unsigned char *bits = (const unsigned char *)VARDATA_ANY(calendar);

	if (day < 0 || day / 8 >= (int32)VARSIZE_ANY_EXHDR(calendar))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(bits[day / 8] >> (day & 7) & 1);
}

Datum calendar_days(PG_FUNCTION_ARGS)
{
	bytea *calendar = PG_GETARG_BYTEA_PP(0);
	const unsigned char *bits = (const unsigned char *)VARDATA_ANY(calendar);
	int32 days = 0;

	for (Size i = 0; i < VARSIZE_ANY_EXHDR(calendar); i++)
		days += __builtin_popcount(bits[i]);
	PG_RETURN_INT32(days);
}
