#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# records.pl - binary records (cmd/common/records_format.h) made and taken apart independently of
# the tools: what the round trips are measured with.
#
#   records.pl make SEED COUNT   random records on stdout; the same seed makes the same
#   records.pl show              records on stdin as lines "key headers value" in hexadecimal
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;

# xorshift: rand() is not the same everywhere
my $state;

sub random {
	my ($below) = @_;
	$state ^= ($state << 13) & 0xffffffff;
	$state ^= $state >> 17;
	$state ^= ($state << 5) & 0xffffffff;
	return $state % $below;
}

# Bytes of one of several kinds: what breaks a framing, text or JSON is likely, not just possible.
my @pieces = (
	"\n", "\r\n", "\0", "\t", "\"", "\\", "\\u0000", "{}", "[[\"", ":", "=", "\x1b[2J", "\x7f",
	"\xc2\x85", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xc0\x80", "\xff",
	"\xb7\x01", "\xe2\x82", "text", "null", " ", "/", "\xef\xbb\xbf", "\xf4\x90\x80\x80",
);

sub bytes {
	my ($most) = @_;
	my $length = random(4) == 0 ? 0 : random($most + 1);
	my $kind = random(4);
	return join '', map { chr random(256) } 1 .. $length if $kind == 0;
	return join '', map { chr 32 + random(95) } 1 .. $length if $kind == 1;
	# valid UTF-8 only, or anything
	my @from = $kind == 2 ? @pieces[0 .. 16, 22 .. 26] : @pieces;
	return join '', map { $from[ random(scalar @from) ] } 1 .. $length / 3;
}

sub make {
	my ($count) = @_;
	for my $n (1 .. $count) {
		my $key = random(3) ? bytes(20) : undef;
		my $value = bytes(random(20) ? 60 : 3000);
		my @fields = map { bytes(12) } 1 .. 2 * (random(3) ? 0 : random(5));
		my $headers = '';
		for (my $i = 0; $i < @fields; $i += 2) {
			my ($name, $text) = @fields[ $i, $i + 1 ];
			$headers .= pack('VV', length $name, length $text) . $name . $text;
		}
		print pack('CCCC V Q< Q< V V V V', 0xb7, 1, defined $key ? 1 : 0, 0, 0, $n, 0,
			length($key // ''), @fields / 2, length $headers, length $value),
			$key // '', $headers, $value;
	}
}

sub show {
	local $/;
	my $in = <STDIN>;
	my $at = 0;
	while ($at < length $in) {
		my ($magic, $version, $has_key, $t, $partition, $offset, $time, $k, $c, $h, $n) =
			unpack 'CCCC V Q< Q< V V V V', substr $in, $at, 40;
		die "no record at byte $at\n" unless $magic == 0xb7 && $version == 1;
		my ($topic, $key, $headers, $value) = unpack "x40 a$t a$k a$h a$n", substr $in, $at,
			40 + $t + $k + $h + $n;
		my @fields;
		my $rest = $headers;
		for (1 .. $c) {
			my ($a, $b) = unpack 'VV', $rest;
			push @fields, unpack("x8 H" . 2 * $a, $rest) . '=' .
				unpack('H*', substr $rest, 8 + $a, $b);
			$rest = substr $rest, 8 + $a + $b;
		}
		die "headers are longer than said at byte $at\n" if length $rest;
		print $has_key ? 'key:' . unpack('H*', $key) : 'no-key', ' [', join(',', @fields), '] ',
			unpack('H*', $value), "\n";
		$at += 40 + $t + $k + $h + $n;
	}
	die "cut short\n" if $at > length $in;
}

my $verb = shift // '';
if ($verb eq 'make' && @ARGV == 2) {
	$state = 2463534242 ^ $ARGV[0];
	make($ARGV[1]);
} elsif ($verb eq 'show' && !@ARGV) {
	show();
} else {
	die "usage: records.pl make SEED COUNT | show\n";
}
