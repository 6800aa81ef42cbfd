"""A policy of a real shape in which scores take every way that the language has.

Four models: `looks` may have payments looked at, `steps` may step up, `blocks` may decline, `eases`
may relax; and a `challenger` in the shadow. Their scores go through lets, cases, defaults,
negations, points and exceptions.
"""

POLICY = """
policy shop language 1
  "Card payments of a shop, with four models"
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  silent        review
  id            text key
  at            time
  amount        money max 100000 EUR
  card          token
  customer      token?
  card_country  country
  ip_country    country?
  items         count max 100
  age           duration?
  channel       one of (ecom, pos, moto)

param burst_limit count = 5 from 3 to 20
param heavy       count = 40 from 10 to 90

feature tries   = count of payment by card over 10m
feature places  = distinct ip_country of payment by card over 7d
feature typical = average of amount of payment by card over 30d

let ratio    = amount / typical
let foreign  = ip_country != card_country
let worse    = max(look_score, step_score)
let doubtful = case when look_score >= 0.9 then true
                    when step_score >= 0.95 then true else false end
let assumed  = step_score otherwise 1

list blocked of token from "lists/blocked.csv"
list trusted of token managed

reason burst     "A burst"          message "Not accepted."
reason stolen    "A listed card"    message "Not accepted."
reason risky     "A high score"     message "Please confirm."
reason unusual   "Several signs"    message "We check this payment."
reason no_score  "No score"         message "We check this payment."

step_up soft rank 1
  try passkey within 10m
  if failed then review because risky
  if unavailable then review because risky

step_up strong rank 2
  try three_ds within 10m
  if failed then decline because risky
  if unavailable then review because risky

model looks version 2
  from "models/looks"
  reads amount, tries
  score look_score
  use payment
  may review
  if unavailable then review because no_score

model steps version 5
  from "models/steps"
  reads amount, items
  score step_score
  use payment when amount <= 50000 EUR
  may step_up
  if unavailable then step_up soft because no_score

model blocks version 1
  from "models/blocks"
  reads amount
  score block_score
  use payment when channel != "pos"
  may decline, review
  if unavailable then hold because no_score

model eases version 1
  from "models/eases"
  reads amount
  score ease_score
  use payment
  may relax
  if unavailable then tag "no_ease"

model challenger version 1
  external
  shadow
  score new_score
  use payment
  may decline, relax
  if unavailable then decline because no_score, add 100 points

rule challenger_declines version 1
  shadow
  when new_score >= 0.5
  then decline because risky, add 100 points

group velocity
  except when customer in trusted
  if unknown then skip

rule burst version 1
  in velocity
  when tries >= burst_limit and amount < 20 EUR
  then decline because burst

rule blocked version 1
  mandatory
  when card in blocked
  then decline because stolen

rule large_night version 1
  when amount > 20000 EUR and hour(at) between 0 and 4
  then hold because unusual

rule foreign_cards version 1
  when foreign and (ratio otherwise 1) > 3
  then prefer step_up soft because unusual, add 15 points
  if unknown then prefer step_up soft

rule calm version 1
  when ease_score < 0.2 and amount < 500 EUR
  then add -20 points

rule looked_at version 1
  when look_score >= 0.6
  then review because risky, add 30 points

rule looked_at_twice version 1
  when not (look_score < 0.8) and items > 3
  then review before because risky

rule stepped_up version 1
  when step_score >= 0.7 and amount > 50 EUR
  then step_up strong because risky, add heavy points
  except when ease_score < 0.1

rule stepped_up_softly version 1
  when assumed > 0.4 or foreign
  then prefer step_up soft because risky
  if unknown then prefer step_up soft

rule worse_of_two version 1
  when worse >= 0.5
  then add 25 points

rule doubted version 1
  when doubtful
  then add 35 points

rule low_is_suspicious version 1
  when look_score < 0.05 and step_score < 0.05
  then add 45 points

rule blocked_by_score version 1
  when block_score >= 0.9 and amount > 100 EUR
  then decline because risky

rule block_adds version 1
  when block_score >= 0.5
  then add 30 points

rule trial version 1
  shadow
  when look_score >= 0.3
  then review before because risky, add 50 points

rule places_high version 1
  when places >= 3
  then add 40 points

rule points_review version 1
  when points >= 40
  then review because unusual

rule points_hold version 1
  when points >= 70
  then hold because unusual

rule points_step_up version 1
  when points >= 55 and channel = "ecom"
  then step_up strong because unusual

rule points_decline version 1
  when points >= 100
  then decline because unusual

rule points_decline_small version 1
  when points >= 60 and amount < 10 EUR
  then decline because burst
"""
