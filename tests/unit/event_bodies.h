/* Whole events, and what becomes of each: its canonical form, or what is refused behind "!"; behind " ~ " the fields
 * that are warned of.
 * All have ` for the quotes. */
#ifndef WEIR_TESTS_EVENT_BODIES_H
#define WEIR_TESTS_EVENT_BODIES_H

typedef struct EventBody {
    const char *json, *asked, *becomes;
} EventBody;

/* clang-format off */
#define NEED(part, paths) part " is missing; looked for " paths
#define NEED_CLIENT NEED("client", "client, source, clientId, client_id, customer, tenant, tenantId and 42 more")
#define NEED_METRIC NEED("metric", "metric, type, name, event, metricName and 30 more")
#define NEED_AMOUNT NEED("amount", "amount, value, total, qty, quantity and 30 more")
#define NEED_TIME NEED("time", "timestamp, time, date, ts, datetime, occurredAt, occurred_at, createdAt, created_at and 54 more")
#define TEXT "must be a string of 1 to 255 characters"
#define NAME "must be a string or a whole number"
#define USUAL "[`weir-event-1`,`A`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"
#define END ",`metric`:`m`,`amount`:5,`time`:`2024-01-01`}"

static const EventBody event_bodies[] = {
    /* The reference's, the abbreviated ones completed */
    {"{`source`:`client_A`,`payload`:{`metric`:`revenue`,`amount`:`1200`,`timestamp`:`2024/01/01`}}", "",
        "[`weir-event-1`,`client_A`,`revenue`,`positive`,`1200`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`source`:`client_A`,`payload`:{`metric`:`test`,`amount`:`100`,`timestamp`:`2024/01/01`}}", "",
        "[`weir-event-1`,`client_A`,`test`,`positive`,`100`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`source`:`client_A`,`payload`:{`metric`:`revenue`,`amount`:`invalid_number`}}", "",
        "! payload.amount must be a number such as 1200.50 in the digits 0 to 9, with at most a sign and a currency; " NEED_TIME},
    {"{ `source`: `A`, `amount`: `100`, `metric`: `m`, `timestamp`: `2024-01-01` }", "",
        "[`weir-event-1`,`A`,`m`,`positive`,`100`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{ `source`: `A`, `amount`: `200`, `metric`: `m`, `timestamp`: `2024-01-01` }", "",
        "[`weir-event-1`,`A`,`m`,`positive`,`200`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`source`:`A`,`amount`:`100`}", "", "! " NEED_METRIC "; " NEED_TIME},

    /* Names and places */
    {"{`client`:`A`" END, "", USUAL},
    {"{`clientId`:`A`,`type`:`m`,`value`:5,`date`:`2024-01-01`}", "", USUAL},
    {"{`client_id`:`A`,`name`:`m`,`total`:5,`ts`:`2024-01-01`}", "", USUAL},
    {"{`customer`:`A`,`event`:`m`,`qty`:5,`datetime`:`2024-01-01`}", "", USUAL},
    {"{`tenant`:`A`,`metricName`:`m`,`quantity`:5,`occurredAt`:`2024-01-01`}", "", USUAL},
    {"{`tenantId`:`A`,`metric`:`m`,`amount`:5,`occurred_at`:`2024-01-01`}", "", USUAL},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`createdAt`:`2024-01-01`}", "", USUAL},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`created_at`:`2024-01-01`}", "", USUAL},
    {"{`payload`:{`client`:`A`" END "}", "", USUAL},
    {"{`data`:{`client`:`A`" END "}", "", USUAL},
    {"{`event`:{`client`:`A`" END "}", "", USUAL},
    {"{`body`:{`client`:`A`" END "}", "", USUAL},
    {"{`attributes`:{`client`:`A`" END "}", "", USUAL},
    {"{`properties`:{`client`:`A`" END "}", "", USUAL},
    {"{`client`:`A`,`event`:`m`,`data`:{`amount`:5},`properties`:{`time`:`2024-01-01`}}", "", USUAL},
    {"{`client`:`A`,`data`:{`event`:`m`,`amount`:5},`time`:`2024-01-01`}", "", USUAL},
    {"{`time`:`2024-01-01`,`amount`:5,`metric`:`m`,`client`:`A`}", "", USUAL},
    {"{`client`:`A`,`unit`:`EUR`" END, "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`currency`:`EUR`" END, "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`unit`:`eur`" END, "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`eur`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`payload`:{`unit`:`kWh`}" END, "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`kWh`,`2024-01-01T00:00:00.000000Z`,{}]"},

    /* Which of two */
    {"{`client`:`A`,`source`:`A`" END, "", USUAL},
    {"{`client`:`A`,`source`:`B`" END, "", USUAL " ~ source"},
    {"{`source`:`B`,`client`:`A`" END, "", USUAL " ~ source"},
    {"{`client`:`A`,`payload`:{`client`:`B`,`amount`:6}" END, "", USUAL " ~ payload.client, payload.amount"},
    {"{`data`:{`amount`:6},`payload`:{`amount`:5},`client`:`A`,`metric`:`m`,`time`:`2024-01-01`}", "", USUAL " ~ data.amount"},
    {"{`client`:null,`source`:`A`" END, "", USUAL},
    {"{`client`:`A`,`payload`:null,`unit`:null" END, "", USUAL},
    {"{`client`:`A`,`type`:`sale`" END, "", USUAL " ~ type"},

    /* Names */
    {"{`client`:` A `" END, "", USUAL},
    {"{`client`:`\\u00a0A\\n`" END, "", USUAL},
    {"{`client`:`\\u0041`" END, "", USUAL},
    {"{`client`:42" END, "", "[`weir-event-1`,`42`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:42.0" END, "", "[`weir-event-1`,`42`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:4.2e1" END, "", "[`weir-event-1`,`42`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:-0" END, "", "[`weir-event-1`,`0`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`042`" END, "", "[`weir-event-1`,`042`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`a`" END, "", "[`weir-event-1`,`a`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`é\\u0001\\b\\f\\n\\\\x`" END, "",
        "[`weir-event-1`,`é\\u0001\\b\\f\\n\\\\x`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`e\\u0301`" END, "", "[`weir-event-1`,`e\xCC\x81`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:4.5" END, "", "! client " NAME},
    {"{`client`:1e50" END, "", "! client must have at most 40 digits when it is a number"},
    {"{`client`:true" END, "", "! client " NAME},
    {"{`client`:[`A`]" END, "", "! client " NAME},
    {"{`client`:{`id`:`A`}" END, "", "! client " NAME},
    {"{`client`:``" END, "", "! client " TEXT},
    {"{`client`:`  `" END, "", "! client " TEXT},
    {"{`client`:`A\\u0000`" END, "", "! client must not contain the character NUL"},
    {"{`client`:`A`,`metric`:``,`amount`:5,`time`:`2024-01-01`}", "", "! metric " TEXT},
    {"{`client`:`A`,`metric`:{},`amount`:5,`time`:`2024-01-01`}", "", "! metric " NAME},
    {"{`client`:`A`,`unit`:[]" END, "", "! unit " NAME},
    {"{`client`:`A`,`unit`:``" END, "", "! unit " TEXT},

    /* What is missing, all of it */
    {"{}", "", "! " NEED_CLIENT "; " NEED_METRIC "; " NEED_AMOUNT "; " NEED_TIME},
    {"{`client`:null,`metric`:null,`amount`:null,`time`:null}", "", "! " NEED_CLIENT "; " NEED_METRIC "; " NEED_AMOUNT "; " NEED_TIME},
    {"{`client`:`A`,`metric`:`m`,`amount`:true,`time`:[]}", "", "! amount must be a string or a number; time must be a string or a number"},
    {"[]", "", "! event must be a JSON object"},
    {"`text`", "", "! event must be a JSON object"},
    {"5", "", "! event must be a JSON object"},
    {"null", "", "! event must be a JSON object"},

    /* Amounts and units together */
    {"{`client`:`A`,`metric`:`m`,`amount`:`€ 5`,`unit`:`EUR`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`unit`:`CAD`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`CAD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`¥5`,`currency`:`JPY`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`JPY`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`€ 5`,`unit`:`USD`,`time`:`2024-01-01`}", "", "! amount names another currency than the unit is"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`€ 5`,`unit`:`eur`,`time`:`2024-01-01`}", "", "! amount names another currency than the unit is"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`unit`:`EUR`,`time`:`2024-01-01`}", "", "! amount has a sign that several currencies have, and the unit is none of them"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`-$5`,`unit`:`USD`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`negative`,`5`,`USD`,`2024-01-01T00:00:00.000000Z`,{}]"},

    /* A unit is written as in amounts: €5, 5 with the unit € and 5 with the unit EUR are one */
    {"{`client`:`A`,`metric`:`m`,`amount`:`€5`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`€`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:` € `,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`€5`,`unit`:`€`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`5 EUR`,`unit`:`€`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`unit`:`US$`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`USD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`US$`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`USD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`CN¥`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`CNY`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`£`,`time`:`2024-01-01`}", "dollars", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`GBP`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`€5`,`unit`:`£`,`time`:`2024-01-01`}", "", "! amount names another currency than the unit is"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`$`,`time`:`2024-01-01`}", "", "! unit is a sign that several currencies have: write the currency's code, or set the mapping's default_unit"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`unit`:`$`,`time`:`2024-01-01`}", "", "! unit is a sign that several currencies have: write the currency's code, or set the mapping's default_unit"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`¥`,`time`:`2024-01-01`}", "dollars", "! unit is a sign that several currencies have: write the currency's code, or set the mapping's default_unit"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`5 EUR`,`unit`:`$`,`time`:`2024-01-01`}", "", "! unit is a sign that several currencies have: write the currency's code, or set the mapping's default_unit"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`5 MXN`,`unit`:`$`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`MXN`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`$`,`time`:`2024-01-01`}", "dollars", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`USD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`unit`:`$`,`time`:`2024-01-01`}", "dollars", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`USD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`5 CAD`,`unit`:`$`,`time`:`2024-01-01`}", "dollars", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`CAD`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`time`:`2024-01-01`}", "euro_sign", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`€5`,`time`:`2024-01-01`}", "euro_sign", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`EUR`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`$`,`time`:`2024-01-01`}", "dollar_sign", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`$`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`time`:`2024-01-01`}", "dollar_sign", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`$`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:`$5`,`time`:`2024-01-01`}", "dollar_sign", "! amount has a sign that several currencies have, and the unit is none of them"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`eur`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`eur`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`metric`:`m`,`amount`:5,`unit`:`€uro`,`time`:`2024-01-01`}", "", "[`weir-event-1`,`A`,`m`,`positive`,`5`,`€uro`,`2024-01-01T00:00:00.000000Z`,{}]"},

    /* Unknown fields and keys given twice */
    {"{`client`:`A`,`foo`:1,`bar`:{`a`:1}" END, "", USUAL " ~ foo, bar"},
    {"{`client`:`A`,`foo`:null" END, "", USUAL},
    {"{`client`:`A`,`payload`:{`a.b`:1,`c\\\\`:2}" END, "", USUAL " ~ payload.a\\.b, payload.c\\\\"},
    {"{`client`:`A`,`payload`:`text`" END, "", USUAL " ~ payload"},
    {"{`client`:`A`,`payload`:[{`amount`:6}]" END, "", USUAL " ~ payload"},
    {"{`client`:`A`,`simulateFailure`:true" END, "", USUAL},
    {"{`client`:`A`,`payload`:{`simulateFailure`:true}" END, "", USUAL " ~ payload.simulateFailure"},
    {"{`client`:`A`,`client`:`A`" END, "", "! client must not be given twice"},
    {"{`client`:`A`,`foo`:1,`foo`:1" END, "", "! foo must not be given twice ~ foo"},
    {"{`client`:`A`,`simulateFailure`:true,`simulateFailure`:false" END, "", "! simulateFailure must not be given twice"},
    {"{`client`:`A`,`payload`:{`x`:1,`x`:2}" END, "", "! payload.x must not be given twice ~ payload.x"},
    {"{`client`:`A`,`payload`:{},`payload`:{`amount`:6}" END, "", "! payload must not be given twice"},
    {"{`client`:`A`,`foo`:{`x`:[{`y`:1,`y`:2}]}" END, "", "! foo contains an object with the same key twice"},
    {"{`client`:`A`,`metric`:null,`metric`:`m`,`amount`:5,`time`:`2024-01-01`}", "", "! " NEED_METRIC "; metric must not be given twice"},

    /* A mapping of the client's: an id, extra fields, a type, places in arrays, defaults */
    {"{`client`:`acme`,`kind`:`usage`,`lines`:[{`n`:1},{`n`:7}],`at`:1704067200,`order`:12.50,`tag`:` x `}", "",
        "[`weir-event-1`,`acme`,`usage`,`positive`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{`order`:`12.5`,`tag`:`x`}] ~ lines.0"},
    {"{`client`:`acme`,`kind`:`usage`,`lines`:[null,{`n`:7}],`at`:1704067200,`order`:null,`a.b`:true}", "",
        "[`weir-event-1`,`acme`,`usage`,`positive`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{`a\\\\.b`:`true`}]"},
    {"{`client`:`acme`,`lines`:{`1`:{`n`:7}},`at`:1704067200}", "",
        "[`weir-event-1`,`acme`,`calls`,`positive`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`acme`,`lines`:[0,{`n`:7}],`at`:1704067200,`dir`:`OUT`}", "",
        "[`weir-event-1`,`acme`,`calls`,`negative`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{}] ~ lines.0"},
    {"{`client`:`acme`,`lines`:[null,{`n`:-7}],`at`:1704067200,`dir`:`debit`}", "",
        "[`weir-event-1`,`acme`,`calls`,`negative`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`acme`,`lines`:[null,{`n`:-7}],`at`:1704067200,`dir`:`credit`}", "", "! dir contradicts the minus of the amount"},
    {"{`client`:`acme`,`lines`:[null,{`n`:7}],`at`:1704067200,`dir`:`sideways`}", "",
        "! dir must be positive, credit, in, inbound, incoming, plus or +, or negative, debit, out, outbound, outgoing, minus or -"},
    {"{`client`:`acme`,`lines`:[null,{`n`:7}],`at`:1704067200,`order`:[1]}", "", "! order must be a string, a number, true or false"},
    {"{`client`:`acme`,`lines`:[],`at`:1704067200}", "", "! amount is missing; looked for lines.1.n"},
    {"{`client`:`acme`,`lines`:[null,[7]],`at`:1704067200}", "", "! amount is missing; looked for lines.1.n ~ lines.1"},
    {"{`source`:`acme`,`lines`:[null,{`n`:7}],`at`:1704067200}", "",
        "[`weir-event-1`,`acme`,`calls`,`positive`,`7`,`pcs`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`,`eventId`:`e-1`" END, "ids", "[`weir-event-id-1`,`A`,`e-1`]"},
    {"{`client`:`A`,`eventId`:7" END, "ids", "[`weir-event-id-1`,`A`,`7`]"},
    {"{`client`:`A`" END, "ids", "! id is missing; looked for eventId, meta.id"},
    {"{`client`:`A`,`meta`:{`id`:`e-1`}" END, "ids", "[`weir-event-id-1`,`A`,`e-1`]"},
    {"{`client`:`acme`" END, "builtin", "[`weir-event-1`,`acme`,`m`,`positive`,`5`,`none`,`2024-01-01T00:00:00.000000Z`,{}]"},
    {"{`client`:`A`" END, "nobody", "! mapping is not a mapping of the configuration"},
};
/* clang-format on */

#endif
