package authtest

import (
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// entryLife is how long a revocation stays in the list: longer than any test.
const entryLife = time.Hour

// Revoke revokes the session that a token is of, as a logout does.
func (i *Issuer) Revoke(token string) {
	i.t.Helper()
	now := time.Now()
	i.Publish(revocation.SessionEntry(i.idsOf(token).Session, now, now.Add(entryLife)))
}

// RevokeToken revokes one access token and nothing else of its session.
func (i *Issuer) RevokeToken(token string) {
	i.t.Helper()
	now := time.Now()
	i.Publish(revocation.TokenEntry(i.idsOf(token).Token, now, now.Add(entryLife)))
}

// RevokeSubject revokes all sessions of a subject that were logged in up to
// this second.
func (i *Issuer) RevokeSubject(sub string) {
	now := time.Now()
	i.Publish(revocation.SubjectEntry(i.URL, sub, now.Add(time.Second), now.Add(entryLife)))
}

// RevokeClaims revokes what the tokens issued up to this second say of a
// subject, as a change of roles does. Their sessions go on: a token that is
// issued later (Issued) is good.
func (i *Issuer) RevokeClaims(sub string) {
	now := time.Now()
	i.Publish(revocation.ClaimsEntry(i.URL, sub, now.Truncate(time.Second).Add(time.Second), now.Add(entryLife)))
}

// RevokeAll revokes every session that was logged in up to this second.
func (i *Issuer) RevokeAll() {
	now := time.Now()
	i.Publish(revocation.AllEntry(now.Add(time.Second), now.Add(entryLife)))
}

// Rotate makes new keys and signs with them from now on. What older keys
// signed or sealed stays good.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rings = append(i.rings, i.ring(time.Now()))
	i.gen++
	i.announceKeys()
}

// RevokeKey gives up the key that signs tokens, as compromised: new keys sign
// from now on, and nothing that it signed is good any more.
func (i *Issuer) RevokeKey() {
	now := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	last := i.rings[len(i.rings)-1]
	kid := i.key(last, keys.AccessToken).ID
	dead, err := last.Revoke(kid, "test", now)
	if err != nil {
		i.t.Fatalf("authtest: revoking a key: %v", err)
	}
	i.rings[len(i.rings)-1] = dead
	i.gen++
	i.announceKeys()
	i.publish(revocation.KeyEntry(i.URL, kid, now, now.Add(entryLife)))
}

// Publish puts entries on the feed.
func (i *Issuer) Publish(entries ...revocation.Entry) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.publish(entries...)
}

func (i *Issuer) publish(entries ...revocation.Entry) {
	prev := i.pos
	i.pos.Cursor = prev.Cursor.Next(uint64(time.Now().UnixMilli()))
	i.entries = append(i.entries, entries...)
	f := frame{after: prev, event: i.frame(revocation.Frame{
		Kind: revocation.Delta, PrevEpoch: prev.Epoch, Prev: prev.Cursor, Pos: i.pos, Entries: entries,
	})}
	i.frames = append(i.frames, f)
	i.tell(f.event)
}

// publicSet is the key set of all rings.
func (i *Issuer) publicSet() *keys.Set {
	var sets []*keys.Set
	for _, r := range i.rings {
		sets = append(sets, r.PublicSet(time.Now()))
	}
	return keys.MergeSets(sets...)
}

func (i *Issuer) sessionKeys() *keys.Set {
	var sets []*keys.Set
	for _, r := range i.rings {
		sets = append(sets, r.SessionKeys(time.Now()))
	}
	return keys.MergeSets(sets...)
}

// sign signs what goes on the feed.
func (i *Issuer) sign(typ string, payload []byte) string {
	raw, err := tokens.SignBytes(typ, payload, i.key(i.rings[0], keys.Feed))
	if err != nil {
		i.t.Fatalf("authtest: signing for the feed: %v", err)
	}
	return raw
}
